import { createHash } from 'node:crypto';
import type { AnyEvent, RunEvent } from '@runledger/run';
import { isId, Poison } from './ids.ts';

export const MAX_COMMIT_BYTES = 256 * 1024;
export const MAX_INLINE_VALUE_BYTES = 64 * 1024;
export const SCHEMA = 1;

/** One stored message of a run: events that became true together. `lines` are the exact stored bytes. */
export interface Commit {
  first: number;
  last: number;
  types: string[];
  commit_id: string;
  writer: string;
  attempt: number;
  /** The run's digest after `last`. */
  digest: string;
  schema: number;
  /** Stream sequence of the run's latest checkpoint commit before this one; 0: none. */
  checkpoint: number;
  /** How many commits the run has, this one included. */
  number: number;
  /** Run id of the run's parent, on every commit of a child: what follows from its end is known without reading it. */
  parent?: string;
  lines: string[];
}

/** One event as its stored line: keys in the order of the contract, no newline. */
export function encodeEvent(event: AnyEvent): string {
  const { seq, type, at, run_id, attempt, data } = event;
  return JSON.stringify({ seq, type, at, run_id, attempt, data });
}

export function decodeEvent(line: string): AnyEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Poison('invalid_event', 'an event line is not JSON', { cause });
  }
  if (!isEnvelope(value))
    throw new Poison('invalid_event', 'an event line lacks seq, type, at, run_id, attempt or data');
  return value;
}

function isEnvelope(value: unknown): value is AnyEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Record<string, unknown>;
  return (
    isCount(event.seq) &&
    event.seq >= 1 &&
    typeof event.type === 'string' &&
    typeof event.at === 'string' &&
    typeof event.run_id === 'string' &&
    isCount(event.attempt) &&
    typeof event.data === 'object' &&
    event.data !== null &&
    !Array.isArray(event.data)
  );
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** `digest(n) = hex(sha256(digest(n-1) + line n))`; the digest before the first line is the empty string. */
export function chainDigest(previous: string, lines: readonly string[]): string {
  let digest = previous;
  for (const line of lines) digest = createHash('sha256').update(digest).update(line).digest('hex');
  return digest;
}

export interface EncodedCommit {
  headers: Record<string, string>;
  payload: string;
}

/** Headers and payload of one commit as they are stored. */
export function encodeCommit(commit: Commit): EncodedCommit {
  return {
    headers: {
      'Run-First': String(commit.first),
      'Run-Last': String(commit.last),
      'Run-Types': commit.types.join(','),
      'Run-Commit': commit.commit_id,
      'Run-Writer': commit.writer,
      'Run-Attempt': String(commit.attempt),
      'Run-Digest': commit.digest,
      'Run-Schema': String(commit.schema),
      'Run-Checkpoint': String(commit.checkpoint),
      'Run-Commits': String(commit.number),
      ...(commit.parent === undefined ? {} : { 'Run-Parent': commit.parent }),
    },
    payload: commit.lines.join('\n') + '\n',
  };
}

export function buildCommit(
  events: readonly RunEvent[],
  origin: {
    commit_id: string;
    writer: string;
    previous_digest: string;
    checkpoint: number;
    number: number;
    parent?: string | undefined;
    /** The events encoded, where that has been done already. */
    lines?: string[];
  },
): Commit {
  const first = events[0];
  const last = events.at(-1);
  if (!first || !last) throw new Error('a commit has at least one event');
  const lines = origin.lines ?? events.map(encodeEvent);
  return {
    first: first.seq,
    last: last.seq,
    types: events.map((event) => event.type),
    commit_id: origin.commit_id,
    writer: origin.writer,
    attempt: last.attempt,
    digest: chainDigest(origin.previous_digest, lines),
    schema: SCHEMA,
    checkpoint: origin.checkpoint,
    number: origin.number,
    ...(origin.parent === undefined ? {} : { parent: origin.parent }),
    lines,
  };
}

/** The stored message back as a commit; Poison when headers and lines do not agree. */
export function decodeCommit(header: (name: string) => string, payload: string): Commit {
  const lines = payload.endsWith('\n') ? payload.slice(0, -1).split('\n') : payload.split('\n');
  const first = wholeNumber(header('Run-First'));
  const last = wholeNumber(header('Run-Last'));
  const types = header('Run-Types').split(',');
  if (
    first === undefined ||
    last === undefined ||
    first < 1 ||
    last - first + 1 !== lines.length ||
    types.length !== lines.length
  )
    throw new Poison('invalid_commit', `headers do not describe the ${lines.length} lines`);
  const commit_id = header('Run-Commit');
  const digest = header('Run-Digest');
  if (commit_id === '' || !/^[0-9a-f]{64}$/.test(digest))
    throw new Poison('invalid_commit', 'a commit lacks its id or its digest');
  return {
    first,
    last,
    types,
    commit_id,
    writer: header('Run-Writer'),
    attempt: wholeNumber(header('Run-Attempt')) ?? 0,
    digest,
    schema: wholeNumber(header('Run-Schema')) ?? 0,
    checkpoint: wholeNumber(header('Run-Checkpoint')) ?? 0,
    number: wholeNumber(header('Run-Commits')) ?? 0,
    ...(isId('run_id', header('Run-Parent')) ? { parent: header('Run-Parent') } : {}),
    lines,
  };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
