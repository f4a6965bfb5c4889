import { RunledgerClient, type HttpTrace } from '@runledger/client';
import type { Command } from 'commander';
import { findCredentials, type Credentials } from './credentials.ts';
import { harmless } from './rendering/harmless.ts';
import { Terminal, type Streams } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { VERSION } from './version.ts';

/** What the process gives to a command. */
export interface World extends Streams {
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** Options that every verb takes. */
export interface GlobalOptions {
  output: 'text' | 'json';
  url?: string;
  apiKey?: string;
  verbose?: boolean;
}

/** What a verb works with. */
export interface Session {
  client: RunledgerClient;
  credentials: Credentials;
  terminal: Terminal;
  /** stdout is NDJSON. */
  json: boolean;
  signal: AbortSignal;
}

/** What a verb works with that may need no gateway. */
export interface Place {
  terminal: Terminal;
  json: boolean;
  signal: AbortSignal;
  world: World;
  /** Finds the gateway and the key. */
  connect(): Promise<Session>;
}

export function openPlace(command: Command, world: World): Place {
  const options = command.optsWithGlobals<GlobalOptions>();
  const common = {
    terminal: new Terminal(world, world.env),
    json: options.output === 'json',
    signal: world.signal,
  };
  const connect = async (): Promise<Session> => {
    const credentials = await findCredentials(options, world.env, world.cwd);
    const onHttp = (trace: HttpTrace): void => common.terminal.talk(httpLine(trace));
    return { ...common, credentials, client: makeClient(credentials, options.verbose ? onHttp : undefined) };
  };
  return { ...common, world, connect };
}

function makeClient(
  { url, apiKey }: Credentials,
  onHttp: ((trace: HttpTrace) => void) | undefined,
): RunledgerClient {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new UsageError(`the URL must begin with http:// or https://, not ${harmless(url)}`);
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new UsageError('the API key has characters that no key has');
  return new RunledgerClient({ url, apiKey, headers: { 'user-agent': `runledger-cli/${VERSION}` }, onHttp });
}

function httpLine(trace: HttpTrace): string {
  const outcome = trace.status === undefined ? `failed: ${trace.error ?? ''}` : String(trace.status);
  const id = trace.request_id ? ` request_id=${trace.request_id}` : '';
  const again = trace.attempt > 0 ? ` (repeat ${trace.attempt})` : '';
  return harmless(`> ${trace.method} ${trace.url}${again} -> ${outcome} in ${trace.duration_ms} ms${id}`);
}
