import { setTimeout as delay } from 'node:timers/promises';
import type { HarnessContext } from '@runledger/harness';

const LONGEST_SLEEP_MS = 200;

/** Waits, and looks up often enough that a stop or a handover need not wait with it. */
export async function waitAtBoundary(context: HarnessContext, boundary: string, ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let left = ms; left > 0; left = until - performance.now()) {
    await context.boundary.check(boundary);
    await delay(Math.min(left, LONGEST_SLEEP_MS), undefined, { signal: context.signal });
  }
}
