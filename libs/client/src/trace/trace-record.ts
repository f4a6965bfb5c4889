import type { ByteLine } from './byte-lines.ts';

/** First line of a trace: the run, its last event in the trace, and the digest after that. */
export interface TraceHeader {
  run_id: string;
  seq: number;
  digest: string;
}

/** One event of a trace, or of stored lines without digests. */
export interface TraceRecord {
  /** The stored line. */
  line: Uint8Array;
  seq: number;
  run_id: string;
  /** The digest that the trace claims after this event. */
  digest: string | undefined;
}

const HEADER =
  /^\{"trace":1,"run_id":"([0-9A-HJKMNP-TV-Z]{26})","seq":(\d{1,15}),"digest":"([0-9a-f]{64})"\}$/;
/** What a trace puts in the place of the stored line's last brace. */
const CLAIM = /^,"digest":("[0-9a-f]{64}"|null)\}$/;
const LONGEST_CLAIM = ',"digest":"'.length + 64 + '"}'.length;
const NO_CLAIM = ',"digest":null}'.length;
const BRACE = 0x7d;

const decoder = new TextDecoder();

export const beginsLike = (line: Uint8Array, text: string): boolean =>
  decoder.decode(line.subarray(0, text.length)) === text;

export function parseHeader({ bytes }: ByteLine): TraceHeader | undefined {
  const [, run_id, seq, digest] = HEADER.exec(decoder.decode(bytes)) ?? [];
  return run_id && seq && digest ? { run_id, seq: Number(seq), digest } : undefined;
}

/** Undefined: it is no event. `claims`: whether each line says the digest after it. */
export function parseRecord({ bytes }: ByteLine, claims: boolean): TraceRecord | undefined {
  const digest = claims ? claimOf(bytes) : undefined;
  if (claims && digest === undefined) return undefined;
  const line = digest === undefined ? bytes : lineWithout(bytes, digest);
  const event = envelopeOf(line);
  return event && { line, ...event, digest: digest ?? undefined };
}

/** Null: the trace leaves it open. */
function claimOf(bytes: Uint8Array): string | null | undefined {
  for (const length of [LONGEST_CLAIM, NO_CLAIM]) {
    const [, claim] = CLAIM.exec(decoder.decode(bytes.subarray(-length))) ?? [];
    if (claim !== undefined) return claim === 'null' ? null : claim.slice(1, -1);
  }
  return undefined;
}

function lineWithout(bytes: Uint8Array, claim: string | null): Uint8Array {
  const end = bytes.length - (claim === null ? NO_CLAIM : LONGEST_CLAIM);
  const line = new Uint8Array(bytes.subarray(0, end + 1));
  line[end] = BRACE;
  return line;
}

function envelopeOf(line: Uint8Array): { seq: number; run_id: string } | undefined {
  try {
    const { seq, run_id } = JSON.parse(decoder.decode(line)) as { seq?: unknown; run_id?: unknown };
    return Number.isSafeInteger(seq) && typeof run_id === 'string'
      ? { seq: seq as number, run_id }
      : undefined;
  } catch {
    return undefined;
  }
}
