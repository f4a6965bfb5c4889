import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { atLeast, BROKER_FLOOR, brokerVersion, firstLine } from './version.ts';

export interface FoundBroker {
  /** Absolute path of a nats-server binary that runs on this machine. */
  path: string;
  /** Its own answer, such as `2.15.1`; never below the floor. */
  version: string;
  /** Which step found it, in a few words for people. */
  how: string;
}

export interface FindBrokerOptions {
  cacheDir: string;
  /** Gets one line per step. */
  log: (line: string) => void;
  env?: NodeJS.ProcessEnv;
}

export async function findBroker(options: FindBrokerOptions): Promise<FoundBroker> {
  const env = options.env ?? process.env;
  const explicit = env['RUNLEDGER_NATS_SERVER'];
  if (explicit !== undefined && explicit !== '') return accept(explicit, 'RUNLEDGER_NATS_SERVER');
  const reasons: string[] = [];
  for (const folder of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const candidate = join(folder, 'nats-server');
    try {
      await access(candidate, constants.X_OK);
    } catch {
      continue;
    }
    try {
      return await accept(candidate, 'nats-server on PATH');
    } catch (error) {
      reasons.push(firstLine(error));
    }
  }
  throw new Error(`no nats-server found: ${reasons.join('; ')}`);
}

async function accept(path: string, how: string): Promise<FoundBroker> {
  const version = await brokerVersion(path);
  if (!atLeast(version, BROKER_FLOOR))
    throw new Error(`${path} is ${version}, below the floor ${BROKER_FLOOR}`);
  return { path, version, how };
}
