import { BrokenTraceError } from '../errors.ts';
import { firstMismatch, type RunDigest } from '../first-mismatch.ts';
import { DigestTrail } from './digest-trail.ts';
import { ReferencedValues } from './referenced-values.ts';
import { verifyTrace, type TraceEvent, type VerifiedTrace } from './verify-trace.ts';

export interface VerifiedRun extends VerifiedTrace {
  /** The run's last event when it was asked: later than `seq` where it went on. */
  run_seq: number;
  /** How many values kept by reference were checked; null: they were not looked at. */
  blobs: number | null;
}

export interface RunToVerify {
  runId: string;
  chunks: AsyncIterable<Uint8Array>;
  /** The run now, or as it was after event `at`. */
  read: (at?: number) => Promise<RunDigest>;
  /** Where values that are kept by reference are to be checked too. */
  fetchBlob?: ((sha256: string) => Promise<Uint8Array>) | undefined;
}

/** As `verifyTrace`, and against the run's own digest: a trace that was forged as a whole fits together and is not the run's. */
export async function verifyAgainstRun(
  { runId, chunks, read, fetchBlob }: RunToVerify,
  onEvent?: (event: TraceEvent) => void | Promise<void>,
): Promise<VerifiedRun> {
  const seen = new DigestTrail();
  const values = new ReferencedValues();
  const verified = await verifyTrace(chunks, { run_id: runId }, (event) => {
    seen.push(event.digest, event.offset);
    if (fetchBlob) values.note(event);
    return onEvent?.(event);
  });
  const run_seq = await compare(seen, read);
  const blobs = fetchBlob ? await values.check(fetchBlob) : null;
  return { ...verified, proven: true, run_seq, blobs };
}

/** The run's last event. Throws BrokenTraceError where what was seen is not the run's. */
async function compare(seen: DigestTrail, read: RunToVerify['read']): Promise<number> {
  const own = (seq: number): string | undefined => seen.digestAfter(seq);
  const now = await read();
  const common = now.seq > seen.seq ? await read(seen.seq) : now;
  if (own(common.seq) !== common.digest) {
    const { from, seq, expected } = await firstMismatch(own, read, { right: 0, wrong: common });
    const reason = `it is not as the run has it: digest ${own(seq)}, where the run has ${expected}`;
    throw new BrokenTraceError({ code: 'other_digest', from, seq, offset: seen.offsetOf(from), reason });
  }
  if (now.seq >= seen.seq) return now.seq;
  const seq = now.seq + 1;
  const reason = 'the run has no such event';
  throw new BrokenTraceError({ code: 'out_of_order', from: seq, seq, offset: seen.offsetOf(seq), reason });
}
