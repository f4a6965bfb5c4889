import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { decodeEvent } from '@runledger/wire';
import { refuseCursorBeyond } from '../cursor.ts';
import { notFound } from '../load-run-for.ts';

/** Characters sent at once, so that small commits do not become small writes. */
const CHUNK = 64 * 1024;

export interface EventPage {
  events: unknown[];
  next_after: number;
  has_more: boolean;
}

/** Stored events by page, as JSON or as the stored lines themselves. */
@Injectable()
export class EventPages {
  readonly #runLog: RunLog;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext) {
    this.#runLog = context.runLog;
  }

  async page(address: RunAddress, after: number, limit: number): Promise<EventPage> {
    const { lines, last_seq } = await this.#runLog.page(address, after, limit);
    if (last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, last_seq);
    const nextAfter = lines.at(-1)?.seq ?? after;
    return {
      events: lines.map((stored) => decodeEvent(stored.line)),
      next_after: nextAfter,
      has_more: nextAfter < last_seq,
    };
  }

  /** Lines after `after`, at most `limit`, as NDJSON, up to the run's last event as of now: commit by commit, as stored. */
  async lines(address: RunAddress, after: number, limit: number): Promise<Readable> {
    const { last_seq, batches } = await this.#runLog.replay(address, after);
    if (last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, last_seq);
    const chunks = chunksOf(batches, limit)[Symbol.asyncIterator]();
    // The first chunk is read before anything is sent: what fails until then is still an answer of its own.
    const first = await chunks.next();
    return Readable.from(continued(first, chunks), { objectMode: false });
  }
}

async function* chunksOf(batches: AsyncIterable<StoredLine[]>, limit: number): AsyncGenerator<string> {
  let left = limit;
  let text = '';
  for await (const batch of batches) {
    for (const stored of batch.slice(0, left)) text += `${stored.line}\n`;
    left -= batch.length;
    if (text.length < CHUNK && left > 0) continue;
    yield text;
    text = '';
    if (left <= 0) return;
  }
  if (text !== '') yield text;
}

async function* continued(
  first: IteratorResult<string>,
  rest: AsyncIterator<string>,
): AsyncGenerator<string> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}
