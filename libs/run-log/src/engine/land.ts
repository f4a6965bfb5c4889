/**
 * Owns: getting one commit onto the log, once, whatever the broker answers.
 *
 * 1. The identical bytes, commit id and expectation are sent until the outcome is known: never a new decision under a
 *    pending one.
 * 2. An unknown outcome is resolved by the leader's first commit after the expectation: mine landed, another's lost.
 * 3. A caller that gives up is told `outcome_unknown`, never "failed".
 */
import type { EncodedCommit } from '@runledger/wire';
import { LogUnavailable } from '../faults.ts';
import type { RunAddress } from '../port.ts';
import type { CommitStore } from './commit-store.ts';
import { backoff } from './pacing.ts';
import type { Timing } from './timing.ts';

export interface Landing {
  address: RunAddress;
  encoded: EncodedCommit;
  commit_id: string;
  /** Stream sequence that the run's last commit is expected to have. */
  expectation: number;
  /** Milliseconds after which the caller gives up; Infinity: never. */
  patienceMs: number;
  signal?: AbortSignal;
  timing: Timing;
}

export type Landed = { landed: true; stream_seq: number } | { landed: false };

export async function land(store: CommitStore, landing: Landing): Promise<Landed> {
  const { timing } = landing;
  const giveUpAt = timing.now() + landing.patienceMs;
  let unresolved = false;
  for (let attempt = 0; ; attempt++) {
    try {
      const left = giveUpAt - timing.now();
      const answer = await store.append(landing.address, landing.encoded, landing.expectation, left);
      if (answer.outcome === 'stored') return { landed: true, stream_seq: answer.stream_seq };
      unresolved = true;
      const next = await store.next(landing.address, landing.expectation);
      if (next)
        return next.commit_id === landing.commit_id
          ? { landed: true, stream_seq: next.stream_seq }
          : { landed: false };
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      // A full log makes room in hours, not in a caller's patience; only a holder waits for it.
      const hopeless = error.code === 'log_full' && Number.isFinite(landing.patienceMs);
      if (hopeless || timing.now() >= giveUpAt || landing.signal?.aborted)
        throw unresolved ? unknown(error) : error;
    }
    if (timing.now() >= giveUpAt || landing.signal?.aborted) throw unknown();
    await backoff(timing, { attempt, firstMs: 20, mostMs: 2_000 }, landing.signal);
  }
}

function unknown(cause?: unknown): LogUnavailable {
  return new LogUnavailable('outcome_unknown', 'the log did not confirm the append; it may have landed', {
    cause,
  });
}
