import { ApiError, isEnded, UnreachableError, type Run } from '@runledger/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from './rendering/durations.ts';
import { oneLine } from './rendering/harmless.ts';
import type { Session } from './session.ts';

const LADDER_MS = [500, 1_000, 2_000, 5_000];
const LONGEST_WAIT_S = 24 * 3600;

export interface Waited {
  run: Run;
  /** False: the time was over first. */
  ended: boolean;
}

/**
 * Reads the run again and again until it has ended or `maxWaitS` is over (default and most 24 hours). A gateway that is away
 * meanwhile is waited for; what it refuses is thrown.
 */
export async function waitForEnd(
  session: Session,
  runId: string,
  maxWaitS = LONGEST_WAIT_S,
): Promise<Waited> {
  const { client, terminal, signal } = session;
  const started = performance.now();
  const deadline = started + Math.min(maxWaitS, LONGEST_WAIT_S) * 1000;
  let run = await client.getRun(runId, { signal });
  let away = false;
  for (let step = 0; !isEnded(run.status); step++) {
    const left = deadline - performance.now();
    if (left <= 0) return { run, ended: false };
    terminal.progress(`${oneLine(run.status, 20)}, waiting ${duration(performance.now() - started)}`);
    await sleep(Math.min(left, LADDER_MS[Math.min(step, LADDER_MS.length - 1)] ?? 1_000), undefined, {
      signal,
    });
    try {
      const limit = AbortSignal.timeout(Math.ceil(Math.max(1_000, deadline - performance.now())));
      run = await client.getRun(runId, { signal: AbortSignal.any([signal, limit]) });
      away = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!isAway(error)) throw error;
      if (!away && performance.now() < deadline)
        terminal.talk(`${oneLine(String(error instanceof Error ? error.message : error), 300)}; waiting on`);
      away = true;
    }
  }
  return { run, ended: true };
}

function isAway(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429;
  return error instanceof UnreachableError || (error instanceof Error && error.name === 'TimeoutError');
}
