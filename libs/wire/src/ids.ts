/** The one check of every id that may become part of a subject. */

const TENANT_OR_USER = /^[A-Za-z0-9_-]{1,64}$/;
const AGENT = /^[a-z0-9][a-z0-9-]{0,63}$/;
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

export type IdKind = 'tenant_id' | 'user_id' | 'workspace_id' | 'agent_id' | 'run_id' | 'token';

const FORM: Record<IdKind, RegExp> = {
  tenant_id: TENANT_OR_USER,
  user_id: TENANT_OR_USER,
  workspace_id: TENANT_OR_USER,
  agent_id: AGENT,
  run_id: ULID,
  token: TOKEN,
};

export function isId(kind: IdKind, value: unknown): value is string {
  return typeof value === 'string' && FORM[kind].test(value);
}

/** The value itself, or a Poison: it can never become a subject. */
export function assertId(kind: IdKind, value: unknown): string {
  if (isId(kind, value)) return value;
  throw new Poison('invalid_id', `${kind} does not match ${FORM[kind].source}`);
}

/** What can never be handled: undecodable, of a wrong form. Not retried. */
export class Poison extends Error {
  readonly kind = 'poison';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'Poison';
  }
}
