import { DigestChain } from '../digest-chain.ts';
import { BrokenTraceError, type TraceFault } from '../errors.ts';
import { byteLines, type ByteLine } from './byte-lines.ts';
import { unpacked, UnpackError } from './unpack.ts';
import { beginsLike, parseHeader, parseRecord, type TraceHeader, type TraceRecord } from './trace-record.ts';

/** A commit, and so a line, has at most 256 KiB. */
const LONGEST_LINE = 1024 * 1024;

/** What is known of the run from elsewhere. */
export interface TraceExpectation {
  run_id?: string | undefined;
  /** The digest after the last event. */
  digest?: string | undefined;
}

export interface VerifiedTrace {
  run_id: string;
  /** The last event. */
  seq: number;
  digest: string;
  /** False: there was no digest to check against, neither in the trace nor as an expectation. */
  proven: boolean;
}

/** An event whose line fits the digests so far. */
export interface TraceEvent {
  seq: number;
  digest: string;
  /** The stored line. */
  line: Uint8Array;
  /** Byte, after unpacking, at which it begins. */
  offset: number;
}

/**
 * Checks a trace, or stored lines as `/events` sends them as NDJSON, from the first byte to the last; either may be gzip.
 * Throws BrokenTraceError, which names the first event that is not as it was. `onEvent` is told of each that is.
 */
export async function verifyTrace(
  chunks: AsyncIterable<Uint8Array>,
  expected: TraceExpectation = {},
  onEvent?: (event: TraceEvent) => void | Promise<void>,
): Promise<VerifiedTrace> {
  const checking = new Checking(expected);
  try {
    for await (const line of byteLines(unpacked(chunks), LONGEST_LINE)) {
      const event = checking.take(line);
      if (event) await onEvent?.(event);
    }
  } catch (error) {
    throw error instanceof UnpackError ? checking.unreadable(error) : error;
  }
  return checking.finish();
}

class Checking {
  readonly #chain = new DigestChain();
  readonly #expected: TraceExpectation;
  #header: TraceHeader | undefined;
  #runId: string | undefined;
  #seq = 0;
  /** The last event whose digest was claimed, and was right. */
  #proven = 0;
  /** Where the first event after that begins. */
  #openFrom = 0;
  /** Where the first event beyond the header's last one begins. */
  #beyond: number | undefined;
  #end: number | undefined;

  constructor(expected: TraceExpectation) {
    this.#expected = expected;
  }

  take(line: ByteLine): TraceEvent | undefined {
    const first = this.#end === undefined;
    this.#end = line.offset + line.bytes.length + 1;
    if (first && !beginsLike(line.bytes, '{"seq":')) return this.#takeHeader(line);
    const seq = this.#seq + 1;
    if (line.bytes.length > LONGEST_LINE)
      throw broken('too_long', seq, line.offset, `its line has more than ${LONGEST_LINE} bytes`);
    if (!line.whole) throw broken('cut', seq, line.offset, 'its line has no end');
    const record = parseRecord(line, this.#header !== undefined);
    if (!record) throw broken('altered', seq, line.offset, 'its line is no event');
    if (record.seq !== seq)
      throw broken('out_of_order', seq, line.offset, `in its place is event ${record.seq}`);
    this.#takeEvent(record, line.offset);
    return { seq, digest: this.#chain.digest, line: record.line, offset: line.offset };
  }

  finish(): VerifiedTrace {
    const { digest } = this.#chain;
    const seq = this.#seq;
    if (this.#end === undefined) throw broken('empty', 0, 0, 'there is not one byte');
    if (this.#header) this.#checkEnd(this.#header, digest);
    if (this.#runId === undefined) throw broken('empty', 0, this.#end, 'there is no event');
    const wanted = this.#expected.digest;
    if (wanted !== undefined && wanted !== digest)
      throw broken('other_digest', seq, 0, `the digest is ${digest}, and ${wanted} is expected`, 1);
    const proven = this.#header !== undefined || wanted !== undefined;
    return { run_id: this.#runId, seq, digest, proven };
  }

  /** What was unpacked before is as it was. */
  unreadable(cause: UnpackError): BrokenTraceError {
    const seq = this.#end === undefined ? 0 : this.#seq + 1;
    const fault = {
      code: 'unreadable',
      from: seq,
      seq,
      offset: this.#end ?? 0,
      reason: cause.message,
    } as const;
    return new BrokenTraceError(fault, { cause });
  }

  #checkEnd(header: TraceHeader, digest: string): void {
    const seq = this.#seq;
    if (header.seq === seq && header.digest === digest) return;
    if (header.digest !== digest && seq < header.seq)
      throw broken('cut', seq + 1, this.#end ?? 0, `the trace should go on to event ${header.seq}`);
    if (header.digest !== digest && this.#beyond !== undefined)
      throw broken('out_of_order', header.seq + 1, this.#beyond, 'it comes after the end of the trace');
    if (this.#proven < seq)
      throw broken(
        'altered',
        seq,
        this.#openFrom,
        `no line fits the digest ${header.digest}`,
        this.#proven + 1,
      );
    throw headerFault(`it says event ${header.seq} with ${header.digest}; the last is ${seq} with ${digest}`);
  }

  #takeHeader(line: ByteLine): undefined {
    this.#header = line.whole ? parseHeader(line) : undefined;
    this.#openFrom = line.bytes.length + 1;
    if (this.#header) return;
    if (beginsLike(line.bytes, '{"trace":1,')) throw headerFault('it is damaged');
    throw broken('no_trace', 0, 0, 'neither a trace nor stored lines of a run');
  }

  #takeEvent({ line, run_id, digest }: TraceRecord, offset: number): void {
    const seq = this.#seq + 1;
    const actual = this.#chain.push(line);
    if (digest !== undefined && digest !== actual)
      throw broken('altered', seq, this.#openFrom, `the digest should be ${digest}`, this.#proven + 1);
    this.#checkRun(run_id, seq, digest !== undefined);
    this.#seq = seq;
    if (this.#header && seq > this.#header.seq) this.#beyond ??= offset;
    if (digest === undefined) return;
    this.#proven = seq;
    this.#openFrom = this.#end ?? 0;
  }

  #checkRun(runId: string, seq: number, proven: boolean): void {
    const other = this.#header !== undefined && this.#header.run_id !== runId;
    if (other && proven && seq === 1) throw headerFault(`event 1 is of run ${runId}`);
    this.#runId ??= runId;
    if (other || runId !== this.#runId)
      throw broken('altered', seq, this.#openFrom, `event ${seq} is of run ${runId}`, this.#proven + 1);
    if (this.#expected.run_id !== undefined && this.#expected.run_id !== runId)
      throw broken('other_run', 0, 0, `the events are of run ${runId}`);
  }
}

const broken = (
  code: TraceFault['code'],
  seq: number,
  offset: number,
  reason: string,
  from = seq,
): BrokenTraceError => new BrokenTraceError({ code, from, seq, offset, reason });

const headerFault = (reason: string): BrokenTraceError =>
  broken('header', 0, 0, `the header is wrong: ${reason}`);
