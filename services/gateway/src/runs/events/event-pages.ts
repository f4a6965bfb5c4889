import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, RunLog, StoredBytes } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { refuseCursorBeyond } from '../cursor.ts';
import { notFound } from '../load-run-for.ts';

/** Bytes sent at once, so that small commits do not become small writes. */
const CHUNK = 64 * 1024;
const NEWLINE = 10;

/** Stored events by page, as JSON or as the stored lines: what is stored is sent, and nothing of it is parsed. */
@Injectable()
export class EventPages {
  readonly #runLog: RunLog;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext) {
    this.#runLog = context.runLog;
  }

  /** The text of `{events, next_after, has_more}`. */
  async page(address: RunAddress, after: number, limit: number): Promise<string> {
    const { lines, last_seq } = await this.#runLog.page(address, after, limit);
    if (last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, last_seq);
    const next_after = lines.at(-1)?.seq ?? after;
    const events = lines.map(({ line }) => line).join(',');
    return `{"events":[${events}],"next_after":${next_after},"has_more":${next_after < last_seq}}`;
  }

  /** Lines after `after`, at most `limit`, as NDJSON, up to the run's last event as of now: commit by commit, as stored. */
  async lines(address: RunAddress, after: number, limit: number): Promise<Readable> {
    const { last_seq, chunks } = await this.#runLog.bytes(address, after);
    if (last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, last_seq);
    const pieces = piecesOf(chunks, limit)[Symbol.asyncIterator]();
    // The first piece is read before anything is sent: what fails until then is still an answer of its own.
    const first = await pieces.next();
    return Readable.from(continued(first, pieces), { objectMode: false });
  }
}

async function* piecesOf(chunks: AsyncIterable<StoredBytes>, limit: number): AsyncGenerator<Uint8Array> {
  let left = limit;
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const { first, last, bytes: stored } of chunks) {
    const lines = last - first + 1;
    waiting.push(lines <= left ? stored : firstLines(stored, left));
    bytes += stored.length;
    left -= lines;
    if (left <= 0) break;
    if (bytes < CHUNK) continue;
    yield joined(waiting);
    waiting = [];
    bytes = 0;
  }
  if (waiting.length > 0) yield joined(waiting);
}

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);

function firstLines(stored: Uint8Array, lines: number): Uint8Array {
  let end = 0;
  for (let line = 0; line < lines; line += 1) end = stored.indexOf(NEWLINE, end) + 1;
  return stored.subarray(0, end);
}

async function* continued(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}
