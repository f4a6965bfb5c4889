import { Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { ownedKeys } from '@runledger/wire';
import { actorOf, AuditTrail } from '../audit/audit-trail.ts';
import { KeyHasher, makeApiKey } from '../auth/api-key.ts';
import type { Principal } from '../auth/principal.ts';
import { Buckets } from '../broker/buckets.ts';
import { Problem } from '../problem/problem.ts';
import { type CreatedKey, type NewApiKey, storeNewKey } from './create-api-key.ts';
import { excessOf, type Grant } from './key-grants.ts';
import { DEFAULT_MAX_STREAMS, DEFAULT_REQUESTS_PER_MIN, type KeyRecord, statusOf } from './key-record.ts';
import { KeyRecords } from './key-records.ts';
import type { CreateKeyRequest, ListKeysQuery, RotateKeyRequest } from './key-request.ts';

/** Ended ones included. */
export const MOST_KEYS_OF_A_USER = 1_000;
const DEFAULT_PAGE = 50;

/** What people do with keys. Nobody sees keys of another tenant, and only `admin` sees those of another user. */
@Injectable()
export class KeyKeeper {
  readonly #hasher: KeyHasher;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(Buckets) private readonly buckets: Buckets,
    @Inject(KeyRecords) private readonly records: KeyRecords,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {
    this.#hasher = new KeyHasher(context.settings.secretKey);
  }

  async create(caller: Principal, request: CreateKeyRequest): Promise<CreatedKey> {
    const user_id = request.user_id ?? caller.user_id;
    refuseForeignUser(caller, user_id, 'body');
    const wanted: NewApiKey & Grant = {
      ...request,
      tenant_id: caller.tenant_id,
      user_id,
      agent_id: request.agent_id ?? caller.agent_id,
      expires_at: request.expires_at ?? caller.expires_at,
      requests_per_min: limitOf(request.requests_per_min, caller.requests_per_min, DEFAULT_REQUESTS_PER_MIN),
      max_streams: limitOf(request.max_streams, caller.max_streams, DEFAULT_MAX_STREAMS),
    };
    refuseExcess(caller, wanted);
    const owned = await this.buckets.scan(
      'api-keys',
      ownedKeys(caller.tenant_id, user_id),
      0,
      MOST_KEYS_OF_A_USER,
    );
    if (owned.length >= MOST_KEYS_OF_A_USER)
      throw new Problem(
        'too_many_keys',
        `A user has at most ${MOST_KEYS_OF_A_USER} keys, ended ones included.`,
      );
    const store = { buckets: this.buckets, audit: this.audit, hasher: this.#hasher };
    return storeNewKey(store, wanted, actorOf(caller));
  }

  /** In the order in which they were made; the cursor is the place in that order. */
  async list(
    caller: Principal,
    query: ListKeysQuery,
  ): Promise<{ records: KeyRecord[]; next_cursor: string | null }> {
    const { limit = DEFAULT_PAGE, cursor = '0' } = query;
    if (query.user_id !== undefined) refuseForeignUser(caller, query.user_id, 'query');
    const user = query.user_id ?? (caller.scopes.has('admin') ? undefined : caller.user_id);
    const owned = await this.buckets.scan(
      'api-keys',
      ownedKeys(caller.tenant_id, user),
      Number(cursor),
      limit + 1,
    );
    const page = owned.slice(0, limit);
    const stored = await Promise.all(page.map(({ key }) => this.records.read(key.split('.').at(-1) ?? '')));
    return {
      records: stored
        .filter((found) => found !== undefined)
        .map(({ record }) => record)
        .filter((record) => maySee(caller, record)),
      next_cursor: owned.length > limit ? String(page.at(-1)?.revision ?? '') : null,
    };
  }

  /** A new secret; the old one lives on for the grace. Throws `key_ended`, `key_rotating`, `forbidden`. */
  async rotate(caller: Principal, keyId: string, request: RotateKeyRequest): Promise<CreatedKey> {
    const seen = await this.#visible(caller, keyId);
    refuseExcess(caller, { ...seen, agent_id: seen.agent_id, expires_at: seen.expires_at });
    const made = makeApiKey(seen.env, keyId);
    const now = Date.now();
    const rotate = (record: KeyRecord): KeyRecord => rotated(record, this.#hasher.hash(made), request, now);
    const { previous } = rotate(seen);
    await this.audit.append({
      key: seen,
      type: 'key.rotated',
      by: actorOf(caller),
      data: { previous_secret_until: previous?.until ?? null },
    });
    const record = await this.records.change(keyId, rotate);
    if (!record) throw noSuchKey();
    return { api_key: made.text, record };
  }

  /** Ends the key, all its secrets and its sessions. A repeat changes nothing. */
  async revoke(caller: Principal, keyId: string): Promise<void> {
    const seen = await this.#visible(caller, keyId);
    const revoked_at = new Date().toISOString();
    const record = await this.records.change(keyId, (current) => {
      if (current.revoked_at !== undefined) return undefined;
      const { previous: _previous, ...rest } = current;
      return { ...rest, revoked_at };
    });
    // Not before: what must end must not wait for its record. A repeat says it again, under the same id.
    await this.audit.append({
      key: record ?? seen,
      type: 'key.revoked',
      by: actorOf(caller),
      event_id: `revoked-${keyId}`,
    });
  }

  async #visible(caller: Principal, keyId: string): Promise<KeyRecord> {
    const stored = await this.records.read(keyId);
    if (!stored || !maySee(caller, stored.record)) throw noSuchKey();
    return stored.record;
  }
}

function maySee(caller: Principal, record: KeyRecord): boolean {
  if (record.tenant_id !== caller.tenant_id) return false;
  if (caller.agent_id !== undefined && record.agent_id !== caller.agent_id) return false;
  return record.user_id === caller.user_id || caller.scopes.has('admin');
}

function rotated(record: KeyRecord, hmac: string, request: RotateKeyRequest, now: number): KeyRecord {
  if (statusOf(record, now) !== 'active')
    throw new Problem(
      'key_ended',
      'A key that is revoked or has expired gets no new secret. Make another one.',
    );
  const { previous, ...rest } = record;
  const rotating = previous && Date.parse(previous.until) > now;
  if (rotating && request.discard === undefined)
    throw new Problem(
      'key_rotating',
      `The secret before the last rotation works until ${previous.until}. Say which of the two ends now: discard previous or current.`,
    );
  const old = rotating && request.discard === 'current' ? previous.hmac : record.hmac;
  const until = new Date(now + request.grace_s * 1000).toISOString();
  return {
    ...rest,
    hmac,
    rotated_at: new Date(now).toISOString(),
    ...(request.grace_s === 0 ? {} : { previous: { hmac: old, until } }),
  };
}

const limitOf = (wanted: number | null | undefined, own: number | null, fallback: number): number | null =>
  wanted === undefined ? Math.min(fallback, own ?? fallback) : wanted;

function refuseForeignUser(caller: Principal, userId: string, place: 'body' | 'query'): void {
  if (userId === caller.user_id || caller.scopes.has('admin')) return;
  throw new Problem('forbidden', 'Keys of another user need the scope admin.', {
    errors: [{ in: place, pointer: '/user_id', detail: 'not yourself' }],
  });
}

function refuseExcess(caller: Principal, grant: Grant): void {
  const excess = excessOf(grant, caller);
  if (excess.length === 0) return;
  throw new Problem('forbidden', 'A key cannot be given more than the credential that makes it has.', {
    errors: excess.map(({ field, detail }) => ({ in: 'body', pointer: `/${field}`, detail })),
  });
}

const noSuchKey = (): Problem => new Problem('key_not_found', 'There is no such key of yours.');
