import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

export interface Credentials {
  url: string;
  apiKey: string;
  /** Where each came from, for `doctor`. */
  source: string;
}

export interface CredentialFlags {
  url?: string | undefined;
  apiKey?: string | undefined;
}

/** There is no URL or no key to be found. */
export class NotConfiguredError extends Error {
  override readonly name = 'NotConfiguredError';
}

/**
 * Flags, then RUNLEDGER_URL and RUNLEDGER_API_KEY, then the file `dev-key` of the local data folder: RUNLEDGER_HOME, or
 * `.runledger` in this folder or the nearest one above it.
 */
export async function findCredentials(
  flags: CredentialFlags,
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<Credentials> {
  const url = pick(['--url', flags.url], ['RUNLEDGER_URL', env.RUNLEDGER_URL]);
  const apiKey = pick(['--api-key', flags.apiKey], ['RUNLEDGER_API_KEY', env.RUNLEDGER_API_KEY]);
  if (url && apiKey)
    return {
      url: url.value,
      apiKey: apiKey.value,
      source: url.from === apiKey.from ? url.from : `${url.from}, ${apiKey.from}`,
    };
  const local = await readDevKey(env, folder);
  if (local === null) throw notConfigured(url !== null, apiKey !== null);
  // A key is not sent to an address that it was not made for.
  if (url && new URL(url.value).origin !== new URL(local.url).origin)
    throw new NotConfiguredError(
      `${url.from} names ${url.value}, and the only key found (${local.path}) belongs to ${local.url}: set RUNLEDGER_API_KEY or --api-key`,
    );
  return {
    url: url?.value ?? local.url,
    apiKey: apiKey?.value ?? local.apiKey,
    source: [url?.from, apiKey?.from, local.path].filter((from) => from !== undefined).join(', '),
  };
}

function pick(
  ...candidates: [from: string, value: string | undefined][]
): { from: string; value: string } | null {
  for (const [from, value] of candidates) if (value) return { from, value };
  return null;
}

function notConfigured(hasUrl: boolean, hasKey: boolean): NotConfiguredError {
  const missing = hasUrl ? 'API key' : hasKey ? 'URL' : 'URL and API key';
  return new NotConfiguredError(
    `no ${missing} to talk to. Either start Runledger here (npm start writes .runledger/dev-key, which is found from this folder ` +
      'and those below it; RUNLEDGER_HOME names another place), or set RUNLEDGER_URL and RUNLEDGER_API_KEY, or give --url and --api-key',
  );
}

async function readDevKey(
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<{ url: string; apiKey: string; path: string } | null> {
  for (const home of homes(env, folder)) {
    const path = join(home, 'dev-key');
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      throw new NotConfiguredError(`cannot read ${path}: ${error.message}`);
    });
    if (text !== null) return { ...parseDevKey(text, path), path };
  }
  return null;
}

function homes(env: NodeJS.ProcessEnv, folder: string): string[] {
  if (env.RUNLEDGER_HOME) return [resolve(folder, env.RUNLEDGER_HOME)];
  const found: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    found.push(join(at, '.runledger'));
    if (dirname(at) === at) return found;
  }
}

function parseDevKey(text: string, path: string): { url: string; apiKey: string } {
  try {
    const value = JSON.parse(text) as { url?: unknown; api_key?: unknown };
    if (typeof value.url === 'string' && URL.canParse(value.url) && typeof value.api_key === 'string')
      return { url: value.url, apiKey: value.api_key };
  } catch {
    // Said below, with what to do.
  }
  throw new NotConfiguredError(
    `${path} does not hold a url and an api_key: start Runledger again (npm start), which writes it`,
  );
}
