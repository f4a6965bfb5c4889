import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions as TlsConnection } from 'node:tls';
import {
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type NodeConnectionOptions,
  type TlsOptions,
} from '@nats-io/transport-node';

/** How a connection says who it is and knows whom it speaks to. Everything is a path of a file. */
export interface BrokerSecurity {
  /** A `.creds` file: a JWT and its seed. */
  credentials?: string;
  /** A file with the seed of a user's nkey (`SU...`). */
  nkey?: string;
  /** Certificates (PEM) of those who may sign the broker's; absent: those that Node trusts. */
  ca?: string;
  /** Our own certificate and key (PEM), for a broker that asks for one. */
  cert?: string;
  key?: string;
}

/**
 * What the client library is told. A `tls:` URL or a `ca` means TLS or no connection: a broker without it is refused.
 * @throws Error naming the file that cannot be read or is not what it should be.
 */
export async function securityOptions(
  urls: URL[],
  security: BrokerSecurity,
): Promise<Pick<NodeConnectionOptions, 'authenticator' | 'tls' | 'user' | 'pass'>> {
  const { ca, cert, key } = security;
  if ((cert === undefined) !== (key === undefined))
    throw new Error('a certificate for the broker needs its key, and the key its certificate');
  const encrypted =
    ca !== undefined || cert !== undefined || urls.some(({ protocol }) => protocol === 'tls:');
  const tls: TlsOptions & Pick<TlsConnection, 'checkServerIdentity'> = {
    checkServerIdentity: identityOf(urls),
    ...(ca === undefined ? {} : { ca: await fileOf('the CA of the broker', ca) }),
    ...(cert === undefined ? {} : { cert: await fileOf('the certificate', cert) }),
    ...(key === undefined ? {} : { key: await fileOf('the key of the certificate', key) }),
  };
  return { ...(encrypted ? { tls } : {}), ...(await whoWeAre(urls, security)) };
}

/** The client library asks about `localhost` when a server is given by its address: the address is what must be there. */
function identityOf(urls: URL[]): typeof checkServerIdentity {
  const hosts = urls.map(({ hostname }) => hostname.replace(/^\[(.*)\]$/, '$1'));
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (host, certificate) => {
    if (host !== 'localhost' || hosts.includes('localhost') || addresses.length === 0)
      return checkServerIdentity(host, certificate);
    const problems = addresses.map((address) => checkServerIdentity(address, certificate));
    return problems.includes(undefined) ? undefined : problems[0];
  };
}

async function whoWeAre(
  urls: URL[],
  { credentials, nkey }: BrokerSecurity,
): Promise<Pick<ConnectionOptions, 'authenticator' | 'user' | 'pass'>> {
  if (nkey !== undefined && credentials !== undefined)
    throw new Error('the broker is to be given an nkey or credentials, not both');
  if (nkey !== undefined) return { authenticator: nkeyAuthenticator(await seedOf(nkey)) };
  if (credentials !== undefined)
    return {
      authenticator: credsAuthenticator(Buffer.from(await fileOf('the credentials', credentials))),
    };
  const withUser = urls.find((url) => url.username !== '');
  if (withUser === undefined) return {};
  return { user: decodeURIComponent(withUser.username), pass: decodeURIComponent(withUser.password) };
}

async function seedOf(path: string): Promise<Uint8Array> {
  const seed = Buffer.from((await fileOf('the nkey', path)).trim());
  try {
    if (!nkeys.fromSeed(seed).getPublicKey().startsWith('U')) throw new Error('it is not of a user');
  } catch (cause) {
    // The library's reason may hold parts of the seed.
    throw new Error(`the nkey ${path} is not the seed of a user (SU...)`, { cause });
  }
  return seed;
}

async function fileOf(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${what} cannot be read: ${path} (${code ?? 'unreadable'})`, { cause });
  }
}
