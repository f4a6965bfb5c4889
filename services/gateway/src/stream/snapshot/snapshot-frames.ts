import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { notFound } from '../../runs/load-run-for.ts';
import { presentRun } from '../../runs/read/run-answer.ts';
import { RunReader } from '../../runs/read/run-reader.ts';
import { Transcripts } from './transcripts.ts';

/** What a late joiner gets instead of all that was before event `seq + 1`. */
export interface SnapshotFrame {
  seq: number;
  text: string;
}

/** Snapshots of runs as SSE frames: the run as `GET /runs/{run_id}?at=` answers it, and its text. */
@Injectable()
export class SnapshotFrames {
  readonly #transcripts: Transcripts;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(RunReader) private readonly runs: RunReader,
  ) {
    this.#transcripts = new Transcripts(context.runLog);
  }

  /** As of the run's last event now. Throws `run_not_found`. */
  async of(address: RunAddress): Promise<SnapshotFrame> {
    const { seq, messages, dropped } = await this.#transcripts.upToNow(address);
    if (seq === 0) throw notFound(address.run_id);
    const run = presentRun(await this.runs.at(address, seq), null);
    const data = JSON.stringify({ seq, run, messages, messages_dropped: dropped });
    return { seq, text: `id: ${seq}\nevent: snapshot\ndata: ${data}\n\n` };
  }
}
