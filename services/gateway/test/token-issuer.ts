import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/** An OIDC issuer on loopback: discovery, a key set, and tokens as a spec wants them. */
export class TokenIssuer {
  /** Requests for the key set. */
  fetches = 0;
  down = false;
  #kid = 'first';

  private constructor(
    private readonly server: Server,
    readonly url: string,
    private key: { privateKey: Key; publicKey: Key },
  ) {}

  static async open(): Promise<TokenIssuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const issuer = new TokenIssuer(server, url, await generateKeyPair('RS256'));
    server.on('request', (request, response) => {
      void issuer.#answer(request.url ?? '').then((body) => {
        response.writeHead(body === undefined ? 503 : 200, { 'content-type': 'application/json' });
        response.end(body === undefined ? '' : JSON.stringify(body));
      });
    });
    return issuer;
  }

  async #answer(path: string): Promise<object | undefined> {
    if (path === '/keys') this.fetches += 1;
    if (this.down) return undefined;
    if (path === '/.well-known/openid-configuration')
      return { issuer: this.url, jwks_uri: `${this.url}/keys` };
    const jwk = await exportJWK(this.key.publicKey);
    return { keys: [{ ...jwk, kid: this.#kid, alg: 'RS256', use: 'sig' }] };
  }

  token(
    claims: JWTPayload = {},
    more: { kid?: string; alg?: string; key?: Key | Uint8Array } = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.url, aud: 'runledger', sub: 'ann', iat: now, exp: now + 600, ...claims };
    return new SignJWT(payload)
      .setProtectedHeader({ alg: more.alg ?? 'RS256', kid: more.kid ?? this.#kid })
      .sign(more.key ?? this.key.privateKey);
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
