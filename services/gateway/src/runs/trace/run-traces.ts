import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, RunLog, StoredLines } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { notFound } from '../load-run-for.ts';
import { traceHeader, TraceRecords } from './trace-records.ts';

/** The whole of a run as one file that proves itself: gzip NDJSON, the same bytes whenever an ended run is asked for. */
@Injectable()
export class RunTraces {
  readonly #runLog: RunLog;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext) {
    this.#runLog = context.runLog;
  }

  async open(address: RunAddress): Promise<Readable> {
    const { last_seq, digest, commits } = await this.#runLog.commits(address);
    if (last_seq === 0) throw notFound(address.run_id);
    const iterator = commits[Symbol.asyncIterator]();
    // The first commit is read before anything is sent: what fails until then is still an answer of its own.
    const first = await iterator.next();
    const header = traceHeader({ run_id: address.run_id, seq: last_seq, digest });
    const text = Readable.from(traceText(header, first, iterator), { objectMode: false });
    // A failure of either side ends the other; the reader sees the cut.
    return pipeline(text, createGzip(), () => undefined);
  }
}

async function* traceText(
  header: string,
  first: IteratorResult<StoredLines>,
  rest: AsyncIterator<StoredLines>,
): AsyncGenerator<string> {
  yield header;
  const records = new TraceRecords();
  for (let next = first; !next.done; next = await rest.next()) yield records.of(next.value);
}
