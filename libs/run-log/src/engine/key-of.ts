import type { RunAddress } from '../port.ts';

export const keyOf = (address: RunAddress): string => `${address.tenant_id}.${address.run_id}`;
