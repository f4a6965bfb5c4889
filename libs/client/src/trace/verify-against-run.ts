import { BrokenTraceError } from '../errors.ts';
import { firstMismatch, type RunDigest } from '../first-mismatch.ts';
import { verifyTrace, type TraceEvent, type VerifiedTrace } from './verify-trace.ts';

export interface VerifiedRun extends VerifiedTrace {
  /** The run's last event when it was asked: later than `seq` where it went on. */
  run_seq: number;
}

/** As `verifyTrace`, and against the run's own digest: a trace that was forged as a whole fits together and is not the run's. */
export async function verifyAgainstRun(
  runId: string,
  chunks: AsyncIterable<Uint8Array>,
  read: (at?: number) => Promise<RunDigest>,
  onEvent?: (event: TraceEvent) => void | Promise<void>,
): Promise<VerifiedRun> {
  const seen: { digest: string; offset: number }[] = [];
  const verified = await verifyTrace(chunks, { run_id: runId }, (event) => {
    seen.push({ digest: event.digest, offset: event.offset });
    return onEvent?.(event);
  });
  const now = await read();
  const common = now.seq > verified.seq ? await read(verified.seq) : now;
  if (seen[common.seq - 1]?.digest !== common.digest) {
    const own = (seq: number): string | undefined => seen[seq - 1]?.digest;
    const { from, seq, expected } = await firstMismatch(own, read, { right: 0, wrong: common });
    const reason = `it is not as the run has it: digest ${own(seq)}, where the run has ${expected}`;
    throw new BrokenTraceError({
      code: 'other_digest',
      from,
      seq,
      offset: seen[from - 1]?.offset ?? 0,
      reason,
    });
  }
  if (now.seq < verified.seq) {
    const seq = now.seq + 1;
    const reason = 'the run has no such event';
    throw new BrokenTraceError({
      code: 'out_of_order',
      from: seq,
      seq,
      offset: seen[now.seq]?.offset ?? 0,
      reason,
    });
  }
  return { ...verified, proven: true, run_seq: now.seq };
}
