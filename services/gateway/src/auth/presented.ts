import { sessionTokenIn } from '../sessions/session-cookie.ts';
import { Problem } from '../problem/problem.ts';

export interface CredentialHeaders {
  authorization?: string | undefined;
  'x-api-key'?: string | string[] | undefined;
  'user-agent'?: string | undefined;
  cookie?: string | undefined;
  host?: string | undefined;
}

/** What the request shows. A header goes before a cookie, which a browser sends without being asked. */
export type Presented = { kind: 'header'; text: string } | { kind: 'cookie'; text: string };

export function presentedIn(headers: CredentialHeaders): Presented {
  const apiKey = headers['x-api-key'];
  if (headers.authorization !== undefined && apiKey !== undefined)
    throw unauthenticated('Send one credential, not two.');
  const text =
    headers.authorization === undefined ? apiKey : /^bearer +(\S+)$/i.exec(headers.authorization)?.[1];
  if (typeof text === 'string') return { kind: 'header', text };
  const cookie =
    headers.authorization === undefined ? sessionTokenIn(headers.cookie, headers.host) : undefined;
  if (cookie !== undefined) return { kind: 'cookie', text: cookie };
  throw unauthenticated('Send an API key or a token as Authorization: Bearer, or a key as X-API-Key.');
}

export const unauthenticated = (detail: string): Problem => new Problem('unauthenticated', detail);
