import type { IncomingHttpHeaders } from 'node:http';
import { sameSecret } from '../auth/secret-token.ts';

export const CSRF_HEADER = 'x-csrf-token';
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Why a request that came with a cookie may have been made by somebody else's page; undefined when it is our own. A
 * browser sends the cookie by itself; the token only a page of ours can know.
 */
export function forgeryIn(
  request: { method: string; headers: IncomingHttpHeaders },
  csrfToken: string,
): string | undefined {
  const { headers, method } = request;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && SAFE.has(method)))
    return 'The request comes from another origin (Sec-Fetch-Site).';
  if (SAFE.has(method)) return undefined;
  if (headers.origin !== undefined && hostOf(headers.origin) !== headers.host?.toLowerCase())
    return 'The request comes from another origin (Origin).';
  const sent = headers[CSRF_HEADER];
  if (typeof sent !== 'string' || !sameSecret(sent, csrfToken))
    return `With a session, send the csrf_token of GET /session as ${CSRF_HEADER}.`;
  return undefined;
}

const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).host.toLowerCase() : undefined;
