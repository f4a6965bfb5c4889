import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { decodeEvent } from '@runledger/wire';
import { refuseCursorBeyond } from '../cursor.ts';
import { notFound } from '../load-run-for.ts';

const PAGE = 1_000;

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

  /** Lines after `after`, at most `limit`, as NDJSON, up to the run's last event as of now. The first page is read before anything is sent. */
  async lines(address: RunAddress, after: number, limit: number): Promise<Readable> {
    const first = await this.#runLog.page(address, after, Math.min(limit, PAGE));
    if (first.last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, first.last_seq);
    return Readable.from(this.#chunks(address, first, limit), { objectMode: false });
  }

  async *#chunks(
    address: RunAddress,
    first: { lines: StoredLine[]; last_seq: number },
    limit: number,
  ): AsyncGenerator<string> {
    let { lines } = first;
    let sent = 0;
    while (lines.length > 0) {
      yield lines.map((stored) => `${stored.line}\n`).join('');
      sent += lines.length;
      const last = lines.at(-1)?.seq ?? first.last_seq;
      if (last >= first.last_seq || sent >= limit) return;
      ({ lines } = await this.#runLog.page(address, last, Math.min(limit - sent, PAGE)));
    }
  }
}
