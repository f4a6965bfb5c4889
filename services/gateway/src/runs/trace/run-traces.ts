import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, StoredLines } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Poison } from '@runledger/wire';
import { notFound } from '../load-run-for.ts';
import { traceHeader, TraceRecords } from './trace-records.ts';

/** The whole of a run as one file that proves itself: gzip NDJSON, the same bytes whenever an ended run is asked for. */
@Injectable()
export class RunTraces {
  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}

  async open(address: RunAddress): Promise<Readable> {
    const { last_seq, digest, commits } = await this.context.runLog.commits(address);
    if (last_seq === 0) throw notFound(address.run_id);
    const iterator = commits[Symbol.asyncIterator]();
    // The first commit is read before anything is sent: what fails until then is still an answer of its own.
    const first = await iterator.next();
    const header = traceHeader({ run_id: address.run_id, seq: last_seq, digest });
    const onPoison = (err: Poison): void =>
      this.context.logger.error(
        { err, ...address },
        'a stored commit cannot be read: the trace ends before it',
      );
    const text = Readable.from(traceText({ header, first, rest: iterator }, onPoison), { objectMode: false });
    // A failure of either side ends the other; the reader sees the cut.
    return pipeline(text, createGzip(), () => undefined);
  }
}

interface Parts {
  header: string;
  first: IteratorResult<StoredLines>;
  rest: AsyncIterator<StoredLines>;
}

async function* traceText(
  { header, first, rest }: Parts,
  onPoison: (error: Poison) => void,
): AsyncGenerator<string> {
  yield header;
  const records = new TraceRecords();
  try {
    for (let next = first; !next.done; next = await rest.next()) yield records.of(next.value);
  } catch (error) {
    // What is stored there is no commit any more, and never will be: the header tells the reader that events are missing.
    if (!(error instanceof Poison)) throw error;
    onPoison(error);
  }
}
