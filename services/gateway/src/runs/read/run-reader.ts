import { Inject, Injectable } from '@nestjs/common';
import type { AnyEvent } from '@runledger/run';
import { applyCommit, type RunView } from '@runledger/run-views';
import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { queueKey, chainDigest, decodeEvent } from '@runledger/wire';
import { Buckets } from '../../broker/buckets.ts';
import { Problem } from '../../problem/problem.ts';
import { Views } from '../views.ts';

const PAGE = 1_000;

/** One run as it is now: its view and the events after it, so that a read is never stale; the log alone will do. */
@Injectable()
export class RunReader {
  readonly #runLog: RunLog;

  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Views) private readonly views: Views,
    @Inject(Buckets) private readonly buckets: Buckets,
  ) {
    this.#runLog = context.runLog;
  }

  async now(address: RunAddress): Promise<RunView> {
    const view = await this.#foldOn(address, await this.#stored(address), undefined);
    if (!view) throw new Problem('run_not_found', `There is no run ${address.run_id}.`);
    return view;
  }

  /** The run as it was after event `seq`; `invalid_cursor` beyond the last event. */
  async at(address: RunAddress, seq: number): Promise<RunView> {
    const stored = await this.#stored(address);
    const view = await this.#foldOn(address, stored && stored.seq <= seq ? stored : undefined, seq);
    if (view?.seq === seq) return view;
    throw new Problem('invalid_cursor', `The run has no event ${seq}.`, {
      errors: [{ in: 'query', pointer: '/at', detail: "beyond the run's last event" }],
    });
  }

  /** The run's place in its user's queue, from 1, while it has one. */
  async queuePosition(view: RunView): Promise<number | null> {
    if (view.status !== 'queued') return null;
    const entry = await this.buckets.get('queue', queueKey(view.tenant_id, view.user_id));
    const { run_ids } = JSON.parse(entry?.text ?? '{}') as { run_ids?: string[] };
    const index = run_ids?.indexOf(view.run_id) ?? -1;
    return index < 0 ? null : index + 1;
  }

  async #stored(address: RunAddress): Promise<RunView | undefined> {
    try {
      const view = await (await this.views.open()).get(address.tenant_id, address.run_id);
      // Without its digest a view cannot be carried on: the whole log can.
      return view?.digest ? view : undefined;
    } catch (error) {
      this.context.logger.warn({ err: error }, 'a run is read from the log alone');
      return undefined;
    }
  }

  async #foldOn(
    address: RunAddress,
    view: RunView | undefined,
    upTo: number | undefined,
  ): Promise<RunView | undefined> {
    let folded = view;
    for (;;) {
      const after = folded?.seq ?? 0;
      const { lines, last_seq } = await this.#runLog.page(address, after, PAGE);
      const wanted = upTo === undefined ? lines : lines.filter((line) => line.seq <= upTo);
      folded = carryOn(folded, wanted);
      if (wanted.length === 0 || wanted.length < lines.length || (folded?.seq ?? 0) >= last_seq)
        return folded;
    }
  }
}

function carryOn(view: RunView | undefined, lines: readonly StoredLine[]): RunView | undefined {
  const events: AnyEvent[] = lines.map((stored) => decodeEvent(stored.line));
  const digest = chainDigest(
    view?.digest ?? '',
    lines.map((stored) => stored.line),
  );
  return events.length === 0 ? view : applyCommit(view, events, digest);
}
