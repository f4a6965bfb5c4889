import type { RunEvent } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { applyCommit, foldView, placeInView, type RunView } from '@runledger/run-views';
import { decodeEvent } from '@runledger/wire';
import { consume } from '../broker/consume.ts';
import type { RunCommit } from '../broker/simulated-broker.ts';
import { request } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import { Sweeps } from './sweeps.ts';
import type { ViewStore } from './view-store.ts';

const LOST_RACES = 20;
const PAGE = 1_000;
const SWEEP_MS = 30_000;
const IDLE_MS = 60_000;
const SWEPT = new Set(['queued', 'running', 'stopping']);

/** Keeps the views equal to the log, and finds what has been lost: work messages, reactions, timers. */
export class Reconciler {
  readonly #runLog: RunLog;
  readonly #sweeps: Sweeps;

  constructor(
    private readonly world: World,
    readonly process: SimulatedProcess,
    private readonly views: ViewStore,
  ) {
    this.#runLog = world.runLog(process);
    this.#sweeps = new Sweeps(this.#runLog, world.time);
    const { network, broker } = world;
    const { end } = consume<RunCommit>(broker.views, {
      network,
      process,
      slots: 128,
      serialBy: ({ address }) => address.run_id,
      handle: ({ message }) => this.#advance(message),
    });
    process.timing.every(SWEEP_MS, () => void this.#sweep());
    process.terminated.addEventListener('abort', () => {
      end();
      process.timing.after(2_000, () => process.kill());
    });
  }

  async #advance({ address, commit }: RunCommit): Promise<void> {
    const events = commit.lines.map((line) => decodeEvent(line) as RunEvent);
    for (let lost = 0; lost < LOST_RACES; lost += 1) {
      const stored = await this.#ask(() => this.views.get(address.run_id));
      const view = await this.#fold(address, stored, commit, events);
      if (view === undefined || view === stored) return;
      if (await this.#ask(() => this.views.put(view, stored?.seq ?? 0))) return;
    }
    throw new Error('the view cannot be written');
  }

  async #fold(
    address: RunAddress,
    stored: RunView | undefined,
    { first, last, digest }: RunCommit['commit'],
    events: RunEvent[],
  ): Promise<RunView | undefined> {
    const place = placeInView(stored, first, last);
    if (place === 'held') return stored;
    if (place === 'next' || this.world.sabotage === 'view_with_hole')
      return applyCommit(stored, events, digest);
    return this.#refold(address, stored);
  }

  async #refold(address: RunAddress, stored: RunView | undefined): Promise<RunView | undefined> {
    let view = stored;
    for (;;) {
      const after = view?.seq ?? 0;
      const { lines, last_seq, digest } = await this.#runLog.page(address, after, PAGE);
      for (const { seq, line } of lines)
        view = foldView(view, decodeEvent(line), seq === last_seq ? digest : '');
      if ((view?.seq ?? 0) >= last_seq) return view;
      if ((view?.seq ?? 0) === after) throw new Error('the log does not go on');
    }
  }

  async #sweep(): Promise<void> {
    try {
      const idleSince = this.world.time.timestampOf(this.world.time.now - IDLE_MS);
      const views = await this.#ask(() => this.views.all());
      if (this.world.sabotage !== 'no_sweeps') await this.#sweeps.sweep(views);
      for (const view of views)
        if (SWEPT.has(view.status) && view.last_event_at < idleSince) await this.#rescue(view);
    } catch {
      // The next sweep looks again.
    }
  }

  /** A view only names suspects; what is done is decided from the run as the leader has it. */
  async #rescue({ tenant_id, run_id, seq, status }: RunView): Promise<void> {
    const { admission, work } = this.world.broker;
    const grant = status === 'queued' ? await this.#ask(() => admission.get(run_id)) : undefined;
    if (grant?.state === 'queued') return;
    const { run } = await this.#runLog.load({ tenant_id, run_id });
    if (run.seq !== seq) return;
    const dispatch =
      run.status === 'queued' ? grant && Math.max(grant.dispatch, run.dispatch) : run.holder?.dispatch;
    if (dispatch !== undefined) await this.#ask(() => work.publish({ tenant_id, run_id, dispatch }));
  }

  #ask<T>(carryOut: () => T): Promise<T> {
    return request(this.world.network, this.process, carryOut);
  }
}
