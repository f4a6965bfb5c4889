import { Inject, Injectable } from '@nestjs/common';
import type { RunView } from '@runledger/run-views';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { queueKey } from '@runledger/wire';
import { Buckets } from '../../broker/buckets.ts';
import { Problem } from '../../problem/problem.ts';
import { notFound } from '../load-run-for.ts';
import { Views } from '../views.ts';
import { FoldedRuns } from './folded-runs.ts';
import { PastRuns } from './past-runs.ts';

/** One run as it is now: its view and the events after it, so that a read is never stale; the log alone will do. */
@Injectable()
export class RunReader {
  readonly #folded: FoldedRuns;
  readonly #past: PastRuns;

  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Views) private readonly views: Views,
    @Inject(Buckets) private readonly buckets: Buckets,
  ) {
    const stored = (address: RunAddress): Promise<RunView | undefined> => this.#stored(address);
    this.#folded = new FoldedRuns(context.runLog, stored);
    this.#past = new PastRuns(context.runLog, stored);
  }

  async now(address: RunAddress): Promise<RunView> {
    const view = await this.#folded.upToNow(address);
    if (!view) throw notFound(address.run_id);
    return view;
  }

  /** The run as it was after event `seq`; `invalid_cursor` beyond the last event. */
  async at(address: RunAddress, seq: number): Promise<RunView> {
    const view = await this.#past.at(address, seq);
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
}
