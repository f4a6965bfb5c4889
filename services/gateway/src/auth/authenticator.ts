import { Inject, Injectable } from '@nestjs/common';
import type { Channel } from '@runledger/run';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Buckets } from '../broker/buckets.ts';
import { isScope, type KeyRecord } from '../keys/key-record.ts';
import { KeyRecords } from '../keys/key-records.ts';
import { Problem } from '../problem/problem.ts';
import { KeyHasher, parseApiKey, type PresentedKey } from './api-key.ts';
import type { Principal } from './principal.ts';

export interface CredentialHeaders {
  authorization?: string | undefined;
  'x-api-key'?: string | string[] | undefined;
  'user-agent'?: string | undefined;
}

/** Turns the credential of a request into a Principal; a 401 problem otherwise. */
@Injectable()
export class Authenticator {
  readonly records: KeyRecords;
  readonly #hasher: KeyHasher;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext, @Inject(Buckets) buckets: Buckets) {
    this.records = new KeyRecords(buckets);
    this.#hasher = new KeyHasher(context.settings.secretKey);
  }

  async authenticate(headers: CredentialHeaders): Promise<Principal> {
    const credential = credentialOf(headers);
    if (credential === undefined)
      throw unauthenticated('Send an API key as Authorization: Bearer or X-API-Key.');
    const presented = parseApiKey(credential);
    if (!presented) throw unauthenticated('The credential is not an API key, or was copied incompletely.');
    const record = await this.records.find(presented.key_id);
    if (!record || !this.#isGood(presented, record))
      throw unauthenticated('The API key is unknown, expired or revoked.');
    return principalOf(record, channelOf(headers['user-agent']));
  }

  #isGood(presented: PresentedKey, record: KeyRecord): boolean {
    const expired = record.expires_at !== undefined && !(Date.parse(record.expires_at) > Date.now());
    return this.#hasher.matches(presented, record.hmac) && record.revoked_at === undefined && !expired;
  }
}

const unauthenticated = (detail: string): Problem => new Problem('unauthenticated', detail);

function credentialOf(headers: CredentialHeaders): string | undefined {
  const apiKey = headers['x-api-key'];
  if (headers.authorization === undefined) return typeof apiKey === 'string' ? apiKey : undefined;
  if (apiKey !== undefined) throw unauthenticated('Send one credential, not two.');
  return /^bearer +(\S+)$/i.exec(headers.authorization)?.[1];
}

const channelOf = (userAgent: string | undefined): Channel =>
  userAgent?.startsWith('runledger-cli/') ? 'cli' : 'api';

function principalOf(record: KeyRecord, channel: Channel): Principal {
  return {
    key_id: record.key_id,
    tenant_id: record.tenant_id,
    user_id: record.user_id,
    scopes: new Set(record.scopes.filter(isScope)),
    workspace_ids: record.workspace_ids,
    agent_id: record.agent_id,
    channel,
  };
}
