import { UnexpectedAnswerError } from './errors.ts';
import type { Call, HttpTransport } from './http-transport.ts';
import type {
  ApiKey,
  ApiKeyPage,
  CreateApiKeyRequest,
  NewApiKey,
  RotateApiKeyRequest,
} from './key-shapes.ts';

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** API keys. What makes a secret is sent once only: a repeat would make another one. */
export class KeyCalls {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** One page, oldest first; with the scope `admin`, of the whole tenant or of one user. */
  async list(
    query: { user_id?: string | undefined; limit?: number | undefined; cursor?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<ApiKeyPage> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) search.set(name, String(value));
    const call = { method: 'GET', path: 'api-keys', query: search, signal: options.signal } as const;
    return (await this.#http.json<ApiKeyPage>(call)).value;
  }

  /** All of them, page after page. */
  async *each(
    query: { user_id?: string | undefined } = {},
    options: CallOptions = {},
  ): AsyncGenerator<ApiKey, void> {
    for (let cursor: string | undefined; ;) {
      const page = await this.list({ ...query, limit: 100, cursor }, options);
      yield* page.keys;
      if (!page.next_cursor || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  /** Throws UnreachableError when the answer was lost: the key may be in the list then, its secret is nowhere. */
  create(request: CreateApiKeyRequest, options: CallOptions = {}): Promise<NewApiKey> {
    return this.#once({ method: 'POST', path: 'api-keys', body: request, signal: options.signal });
  }

  /** A new secret of the same key. Throws UnreachableError when the answer was lost: the old one works on. */
  rotate(keyId: string, request: RotateApiKeyRequest = {}, options: CallOptions = {}): Promise<NewApiKey> {
    const path = `${keyPath(keyId)}/rotate`;
    return this.#once({ method: 'POST', path, body: request, signal: options.signal });
  }

  /** Ends a key, everywhere within 5 s. */
  async revoke(keyId: string, options: CallOptions = {}): Promise<void> {
    await this.#http.send({ method: 'DELETE', path: keyPath(keyId), signal: options.signal });
  }

  async #once(call: Call): Promise<NewApiKey> {
    const outcome = await this.#http.attempt(call);
    if (!(outcome instanceof Response)) throw outcome;
    try {
      return (await outcome.json()) as NewApiKey;
    } catch {
      throw new UnexpectedAnswerError(this.#http.urlOf(call), 'the key is not JSON');
    }
  }
}

function keyPath(keyId: string): string {
  if (!/[^.]/.test(keyId)) throw new TypeError(`not a key id: ${JSON.stringify(keyId)}`);
  return `api-keys/${encodeURIComponent(keyId)}`;
}
