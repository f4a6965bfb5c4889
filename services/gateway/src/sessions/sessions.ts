import { Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { Principal } from '../auth/principal.ts';
import {
  makeSecretToken,
  parseSecretToken,
  Pepper,
  sameSecret,
  type SecretToken,
} from '../auth/secret-token.ts';
import { Buckets } from '../broker/buckets.ts';
import { ShortMemory } from '../broker/short-memory.ts';
import { Problem } from '../problem/problem.ts';
import { SESSION_S } from './session-cookie.ts';
import { SessionRecord } from './session-record.ts';

const REMEMBERED_MS = 2_000;
const MOST_REMEMBERED = 10_000;
/** How much of its time a session has used up before it is written that it goes on. */
const RENEW_AFTER_MS = 10 * 60_000;
const PREFIX = 'rs';

type SessionCredential = Extract<Principal['credential'], { kind: 'session' }>;

interface Stored {
  record: SessionRecord;
  revision: number;
}

export interface OpenSession {
  record: SessionRecord;
  csrf_token: string;
}

/** Sessions of browsers: a cookie in place of a key. */
@Injectable()
export class Sessions {
  readonly #memory = new ShortMemory<Stored | undefined>({ ms: REMEMBERED_MS, most: MOST_REMEMBERED });
  readonly #pepper: Pepper;
  readonly #csrf: Pepper;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(Buckets) private readonly buckets: Buckets,
  ) {
    this.#pepper = new Pepper(context.settings.secretKey, 'runledger sessions');
    this.#csrf = new Pepper(context.settings.secretKey, 'runledger csrf');
  }

  /** Opens a session for whoever came with a key or a token; the cookie's text is only ever in the answer. */
  async open(caller: Principal): Promise<OpenSession & { token: string }> {
    const token = makeSecretToken(PREFIX);
    const now = Date.now();
    const record: SessionRecord = {
      session_id: token.id,
      tenant_id: caller.tenant_id,
      user_id: caller.user_id,
      hmac: this.#pepper.hmac(token.text),
      created_at: new Date(now).toISOString(),
      expires_at: endOf(now, caller.credential.kind === 'token' ? caller.expires_at : undefined),
      opened_with: openedWith(caller),
    };
    await this.buckets.put('sessions', token.id, JSON.stringify(record));
    return { record, token: token.text, csrf_token: this.#csrf.hmac(token.text) };
  }

  /** The session of a cookie, when it is open. Throws LogUnavailable. */
  async find(text: string): Promise<OpenSession | undefined> {
    const token = text.startsWith(`${PREFIX}_`) ? parseSecretToken(text) : undefined;
    const stored = token && (await this.#read(token.id));
    if (!stored || !this.#opens(token, stored.record)) return undefined;
    return { record: stored.record, csrf_token: this.#csrf.hmac(token.text) };
  }

  /** Whether it is still open, for those who have seen its cookie before. */
  async isOpen(sessionId: string): Promise<boolean> {
    const stored = await this.#read(sessionId);
    return stored !== undefined && isAhead(stored.record.expires_at);
  }

  /**
   * Lets a session that is used go on, now and then; answers its new end when it has one. One that a token opened ends
   * with the token.
   */
  async renew({ session_id, expires_at, secret_hmac }: SessionCredential): Promise<string | undefined> {
    const now = Date.now();
    const fresh = Date.parse(expires_at) > now + SESSION_S * 1000 - RENEW_AFTER_MS;
    if (secret_hmac === undefined || fresh) return undefined;
    const stored = await this.#read(session_id);
    if (!stored) return undefined;
    const renewed = { ...stored.record, expires_at: endOf(now, undefined) };
    const written = await this.buckets.update(
      'sessions',
      session_id,
      JSON.stringify(renewed),
      stored.revision,
    );
    this.#memory.forget(session_id);
    return written ? renewed.expires_at : undefined;
  }

  async close(sessionId: string): Promise<void> {
    await this.buckets.delete('sessions', sessionId);
    this.#memory.forget(sessionId);
  }

  #opens(token: SecretToken, record: SessionRecord): boolean {
    return isAhead(record.expires_at) && sameSecret(this.#pepper.hmac(token.text), record.hmac);
  }

  #read(sessionId: string): Promise<Stored | undefined> {
    return this.#memory.get(sessionId, async () => {
      const entry = await this.buckets.get('sessions', sessionId);
      return entry && { record: SessionRecord.parse(JSON.parse(entry.text)), revision: entry.revision };
    });
  }
}

function openedWith(caller: Principal): SessionRecord['opened_with'] {
  const { credential, key_id, scopes, workspace_ids, agent_id } = caller;
  if (credential.kind === 'key') return { kind: 'key', key_id, hmac: credential.hmac };
  if (credential.kind === 'session')
    throw new Problem(
      'unauthenticated',
      'A session is opened with an API key or a token, not with a session.',
    );
  return {
    kind: 'token',
    key_id,
    scopes: [...scopes],
    workspace_ids: [...workspace_ids],
    ...(agent_id === undefined ? {} : { agent_id }),
    expires_at: credential.expires_at,
  };
}

function endOf(now: number, latest: string | undefined): string {
  const end = now + SESSION_S * 1000;
  return new Date(latest === undefined ? end : Math.min(end, Date.parse(latest))).toISOString();
}

const isAhead = (at: string): boolean => Date.parse(at) > Date.now();
