/** 12 hours, begun anew by use. */
export const SESSION_S = 12 * 3_600;
const NAME = 'runledger_session';

/**
 * The cookie's name and attributes for the host that was asked. Only a browser on the machine itself may go without TLS;
 * everywhere else the prefix keeps other hosts of the domain from setting it.
 */
function cookieFor(host: string | undefined): { name: string; attributes: string } {
  const attributes = 'Path=/; HttpOnly; SameSite=Strict';
  if (isLocal(host)) return { name: NAME, attributes };
  return { name: `__Host-${NAME}`, attributes: `${attributes}; Secure` };
}

function isLocal(host: string | undefined): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(host ?? '')?.[1]?.toLowerCase() ?? '';
  return name === 'localhost' || name.endsWith('.localhost') || name === '127.0.0.1' || name === '[::1]';
}

/** The session's token in a Cookie header, if there is one. */
export function sessionTokenIn(cookies: string | undefined, host: string | undefined): string | undefined {
  const { name } = cookieFor(host);
  const found = cookies?.split(';').find((cookie) => cookie.trim().startsWith(`${name}=`));
  return found?.slice(found.indexOf('=') + 1).trim();
}

/** A Set-Cookie header; without a token it takes the cookie away. */
export function setCookie(host: string | undefined, token: string | undefined, maxAgeS = SESSION_S): string {
  const { name, attributes } = cookieFor(host);
  return `${name}=${token ?? ''}; Max-Age=${token === undefined ? 0 : maxAgeS}; ${attributes}`;
}
