import { cached } from './broker-cache.ts';
import type { BrokerStep } from './broker-step.ts';
import { debianPackage } from './debian-package.ts';
import { goToolchain } from './go-toolchain.ts';
import { officialRelease } from './official-release.ts';
import { onPath } from './on-path.ts';
import { oneLine } from './run-command.ts';
import { accepted, BROKER_FLOOR } from './version.ts';

export interface FoundBroker {
  /** Absolute path of a nats-server binary that runs on this machine. */
  path: string;
  /** Its own answer, such as `2.15.1`; never below the floor. */
  version: string;
  /** What was done to find it, for people. */
  how: string;
}

export interface FindBrokerOptions {
  /** Absolute; see `cacheFolder`. */
  cacheDir: string;
  /** Gets one line per step: what is done now, and why the step before did not fit. */
  log: (line: string) => void;
  /** Default: this process's. `RUNLEDGER_NATS_SERVER` names a binary and ends the search. */
  env?: NodeJS.ProcessEnv;
  /** Default: all, in the order of the documentation. */
  steps?: BrokerStep[];
  /** Milliseconds that a step waits for a first sign of a network; default 5,000. */
  patienceMs?: number;
}

export const BROKER_STEPS: BrokerStep[] = [onPath, cached, debianPackage, officialRelease(), goToolchain];

/**
 * The nats-server of this machine: the first step that fits.
 * @throws Error that lists every step with the reason why it does not fit.
 */
export async function findBroker(options: FindBrokerOptions): Promise<FoundBroker> {
  const { cacheDir, log, env = process.env, steps = BROKER_STEPS, patienceMs = 5000 } = options;
  const named = env['RUNLEDGER_NATS_SERVER'];
  if (named !== undefined && named !== '') {
    try {
      return { ...(await accepted(named)), how: 'named by RUNLEDGER_NATS_SERVER' };
    } catch (error) {
      throw new Error(`RUNLEDGER_NATS_SERVER does not fit: ${oneLine(error)}`, { cause: error });
    }
  }
  const reasons: string[] = [];
  for (const step of steps) {
    const before = reasons.at(-1);
    log(`nats-server: ${step.does}${before === undefined ? '' : ` (before: ${before})`}`);
    try {
      return { ...(await step.find({ env, cacheDir, log, patienceMs })), how: step.does };
    } catch (error) {
      reasons.push(oneLine(error));
    }
  }
  const list = steps.map((step, place) => `  ${place + 1}. ${step.does}: ${reasons[place]}`);
  throw new Error(
    `no nats-server ${BROKER_FLOOR} or newer could be found or fetched:\n${list.join('\n')}\n` +
      'Put one on PATH, name one with RUNLEDGER_NATS_SERVER, or point RUNLEDGER_NATS_URL to a running broker.',
  );
}
