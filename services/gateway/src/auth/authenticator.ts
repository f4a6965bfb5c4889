import { Inject, Injectable } from '@nestjs/common';
import type { Channel } from '@runledger/run';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { RefusedUses } from '../audit/refused-uses.ts';
import { liveSecrets } from '../keys/key-record.ts';
import { KeyRecords } from '../keys/key-records.ts';
import type { SessionRecord } from '../sessions/session-record.ts';
import { Sessions } from '../sessions/sessions.ts';
import { KeyHasher, parseApiKey } from './api-key.ts';
import { channelOf, type Identity, identityOfKey, identityOfToken, refusalOf } from './identity.ts';
import { OidcTokens } from './oidc.ts';
import { type CredentialHeaders, presentedIn, unauthenticated } from './presented.ts';
import type { Principal } from './principal.ts';

/** Turns the credential of a request into a Principal; a 401 problem otherwise. */
@Injectable()
export class Authenticator {
  readonly #hasher: KeyHasher;

  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(KeyRecords) private readonly records: KeyRecords,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(OidcTokens) private readonly tokens: OidcTokens,
    @Inject(RefusedUses) private readonly refused: RefusedUses,
  ) {
    this.#hasher = new KeyHasher(context.settings.secretKey);
  }

  async authenticate(headers: CredentialHeaders): Promise<Principal> {
    const presented = presentedIn(headers);
    const channel = channelOf(headers['user-agent']);
    if (presented.kind === 'cookie') return this.#bySession(presented.text);
    if (OidcTokens.isToken(presented.text)) return { ...(await this.#byToken(presented.text)), channel };
    return this.#byKey(presented.text, channel);
  }

  /** Whether what let somebody in would still do so; of what may be up to 2 s old. Throws LogUnavailable. */
  async isStillGood({ key_id, credential }: Principal): Promise<boolean> {
    if (credential.kind === 'token') return isAhead(credential.expires_at);
    if (credential.kind === 'key') return this.#isLive(key_id, credential.hmac);
    const { session_id, secret_hmac } = credential;
    if (!(await this.sessions.isOpen(session_id))) return false;
    return secret_hmac === undefined || this.#isLive(key_id, secret_hmac);
  }

  async #isLive(keyId: string, hmac: string): Promise<boolean> {
    const record = await this.records.find(keyId);
    return record !== undefined && liveSecrets(record, Date.now()).includes(hmac);
  }

  async #byKey(text: string, channel: Channel): Promise<Principal> {
    const presented = parseApiKey(text);
    if (!presented) {
      this.refused.note('malformed');
      throw unauthenticated('The credential is not an API key, or was copied incompletely.');
    }
    const record = await this.records.find(presented.key_id);
    const hmac = this.#hasher.hash(presented);
    const reason = refusalOf(record, hmac);
    if (!record || reason) {
      this.refused.note(reason ?? 'unknown', record);
      throw unauthenticated('The API key is unknown, expired or revoked.');
    }
    this.records
      .noteUse(record.key_id)
      .catch((error: unknown) => this.context.logger.debug({ err: error }, 'last use not written'));
    return { ...identityOfKey(record), credential: { kind: 'key', hmac }, channel };
  }

  async #byToken(text: string): Promise<Omit<Principal, 'channel'>> {
    const principal = await this.tokens.verify(text);
    if (principal) return principal;
    this.refused.note('malformed');
    throw unauthenticated('The token is of no issuer that is trusted here, is not for us, or is over.');
  }

  async #bySession(text: string): Promise<Principal> {
    const session = await this.sessions.find(text);
    const over = (): Error => unauthenticated('The session is over. Sign in again.');
    if (!session) throw over();
    const { record, csrf_token } = session;
    const identity = await this.#identityOf(record);
    if (!identity) throw over();
    const { session_id, expires_at, opened_with } = record;
    const secret_hmac = opened_with.kind === 'key' ? opened_with.hmac : undefined;
    return {
      ...identity,
      credential: { kind: 'session', session_id, csrf_token, expires_at, secret_hmac },
      channel: 'console',
    };
  }

  /** Whom the session stands for: its key as that is now, or what its token said. */
  async #identityOf(session: SessionRecord): Promise<Identity | undefined> {
    const { opened_with } = session;
    if (opened_with.kind === 'token') return identityOfToken(session, opened_with);
    const record = await this.records.find(opened_with.key_id);
    if (!record || !liveSecrets(record, Date.now()).includes(opened_with.hmac)) return undefined;
    return identityOfKey(record);
  }
}

const isAhead = (at: string): boolean => Date.parse(at) > Date.now();
