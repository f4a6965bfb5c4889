export { createApiKey, type NewApiKey } from './create-api-key.ts';
export { SCOPES, type Scope } from '../auth/principal.ts';
