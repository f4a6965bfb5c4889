import { setTimeout as pause } from 'node:timers/promises';
import { type Broker, streamExists } from '@runledger/nest-jetstream';
import type { Logger } from 'pino';
import type { Readiness } from './readiness.ts';

const LOG = 'RUNS';
const SAY_AGAIN_MS = 30_000;

/**
 * Resolves when the stream RUNS exists, with how many commits it takes of one run. It is made by the bootstrap, never by a
 * service. Should it go away later, the service says so on `/readyz`.
 */
export async function waitForLog(
  broker: Broker,
  readiness: Readiness,
  logger: Logger,
  signal: AbortSignal,
): Promise<{ maxCommits?: number }> {
  let maxCommits: number;
  let problem = 'not looked yet';
  let saidAt = Number.NEGATIVE_INFINITY;
  readiness.set('log', () => Promise.reject(new Error(problem)));
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      if (await streamExists(broker, LOG)) {
        const jsm = await broker.jsm();
        maxCommits = (await jsm.streams.info(LOG)).config.max_msgs_per_subject;
        break;
      }
      problem = `the stream ${LOG} does not exist yet: run the bootstrap`;
    } catch (error) {
      problem = `the stream ${LOG} cannot be read: ${String(error)}`;
    }
    if (performance.now() - saidAt > SAY_AGAIN_MS) {
      saidAt = performance.now();
      logger.warn({ stream: LOG }, `waits: ${problem}`);
    }
    await pause(Math.min(2_000, 100 * 2 ** Math.min(attempt, 5)), undefined, { signal });
  }
  readiness.set('log', async () => {
    if (!(await streamExists(broker, LOG))) throw new Error(`the stream ${LOG} does not exist`);
  });
  return maxCommits > 0 ? { maxCommits } : {};
}
