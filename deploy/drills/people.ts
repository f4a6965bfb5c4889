import { setTimeout as pause } from 'node:timers/promises';
import { Kvm } from '@nats-io/kv';
import { agentKey } from '@runledger/wire';
import type { Cell } from './cell.ts';
import { AccountWatch, inUse } from './account-watch.ts';
import type { Cleanup } from './cleanup.ts';
import type { Figures } from './drill.ts';
import { EffectsFile } from './effects-file.ts';
import type { Job } from './load.ts';
import type { AuditedLine, AuditedRun, LogAudit } from './log-audit.ts';
import { MoneyAudit } from './money-audit.ts';

const PAUSED = 'drill-paused';
const FAMILY = 'drill-family';
/** In US dollars: what a tree may spend at first, and by how much it is raised when it waits. */
const [FIRST, RAISE] = [0.25, 0.25];
const RAISED_FOR_ALL_MS = 3_000;

/** Trees, money that runs out, tool calls that cannot be repeated, and runs that somebody pauses. */
export const CONTROLLED: readonly Job[] = [
  { agent_id: 'tree', input: { depth: 2, width: 2, count: 10, every_ms: 150 } },
  { agent_id: FAMILY, input: {} },
  { agent_id: PAUSED, input: { count: 40, every_ms: 100 } },
  {
    agent_id: 'spender',
    input: { turns: 5, cost_usd_per_turn: 0.1 },
    limits: { max_cost_usd: FIRST },
  },
  { agent_id: 'careless', input: { tool: 'not', ms: 8_000 } },
  { agent_id: 'careless', input: { tool: 'idempotent', ms: 1_500 } },
];

/** Jobs of both kinds in turn. */
export function mixedWith(jobs: readonly Job[], share = 1): Job[] {
  return jobs.flatMap((job, index) =>
    index % share === 0 ? [job, ...CONTROLLED.slice((index / share) % CONTROLLED.length).slice(0, 1)] : [job],
  );
}

const ENDS = new Set(['run.succeeded', 'run.failed', 'run.stopped']);

interface Parked {
  reason: string;
  /** On the clock of this process. */
  since: number;
  /** How long the person takes. */
  afterMs: number;
}

type Act = 'pause.requested' | 'resume.requested' | 'limits.raised' | 'outcome.resolved';

/**
 * Those who look after runs that wait: they pause some and resume them, raise limits, and say what became of a call.
 * They take their time, so that faults meet runs that are parked.
 */
export class People {
  readonly effects: EffectsFile;
  readonly accounts: AccountWatch;
  readonly money = new MoneyAudit();
  /** The most that anybody gave to each tree, in US dollars. */
  readonly #given = new Map<string, number>();
  readonly #raises = new Map<string, number>();
  readonly #raisedAt = new Map<string, number>();
  readonly #parked = new Map<string, Parked>();
  readonly #unknown = new Map<string, string>();
  readonly #toPause = new Set<string>();
  readonly #acknowledged: { run_id: string; act: Act }[] = [];
  readonly #acts = new Set<string>();
  readonly #over = new AbortController();
  readonly #metParked: number[] = [];
  #parks = 0;

  private constructor(effects: EffectsFile, accounts: AccountWatch) {
    this.effects = effects;
    this.accounts = accounts;
  }

  /** Of a cell whose executors write effects into this file. */
  static async on(cell: Cell, cleanup: Cleanup, effects: EffectsFile): Promise<People> {
    const agents = await new Kvm(cell.broker.js).open('agents');
    const spend = `tools.callAgent('spender', { turns: 3, cost_usd_per_turn: 0.05 })`;
    for (const agent of [
      { agent_id: PAUSED, name: PAUSED, description: 'Ticks.', kind: 'builtin', builtin: 'ticker' },
      {
        agent_id: FAMILY,
        name: FAMILY,
        description: 'Calls four that spend.',
        kind: 'code',
        callable_agents: ['spender'],
        limits: { max_cost_usd: FIRST },
        code: `export default (input, tools) => Promise.all(Array.from({ length: 4 }, () => ${spend}));`,
      },
    ])
      await agents.put(agentKey('local', agent.agent_id), JSON.stringify(agent));
    const people = new People(effects, await AccountWatch.on(cell.broker, cleanup));
    cleanup.add('people', () => people.stop());
    return people;
  }

  /** Is fed by a `LogAudit`. */
  readonly take = (run: AuditedRun, line: AuditedLine): void => {
    this.money.take(run, line);
    const { type, data } = line;
    const { run_id } = run;
    if (type === 'run.requested' && run.agent_id === PAUSED) this.#toPause.add(run_id);
    if (type === 'limits.raised') this.#raises.set(run_id, (this.#raises.get(run_id) ?? 0) + 1);
    if (type === 'outcome.unknown') this.#unknown.set(run_id, String(data['call_id']));
    if (type === 'run.parked') {
      this.#parks += 1;
      this.#parked.set(run_id, {
        reason: String(data['reason']),
        since: performance.now(),
        afterMs: 1_000 + Math.random() * 3_000,
      });
    }
    if (type === 'run.unparked' || type === 'run.started' || ENDS.has(type)) this.#parked.delete(run_id);
    if (ENDS.has(type)) this.#toPause.delete(run_id);
    this.#acts.add(`${run_id} ${type}`);
  };

  /** Goes on until `stop`; what is refused or not answered is tried again. */
  work(cell: Cell, audit: LogAudit): void {
    void (async () => {
      while (!this.#over.signal.aborted) {
        await audit.read().catch(() => undefined);
        await Promise.all([
          ...[...this.#toPause].map((run_id) => this.#pauseOne(cell, audit, run_id)),
          ...[...this.#parked].map(([run_id, parked]) => this.#look(cell, run_id, parked)),
        ]);
        await pause(300);
      }
    })();
  }

  /** How many runs wait now. */
  get parked(): number {
    return this.#parked.size;
  }

  /** Notes how many runs wait at the moment of a fault. */
  fault(): void {
    this.#metParked.push(this.#parked.size);
  }

  stop(): void {
    this.#over.abort();
  }

  async #pauseOne(cell: Cell, audit: LogAudit, run_id: string): Promise<void> {
    if (!audit.runs.get(run_id)?.held) return;
    const client = await cell.client();
    await this.#try(
      run_id,
      'pause.requested',
      () => client.pause(run_id),
      () => this.#toPause.delete(run_id),
    );
  }

  async #look(cell: Cell, run_id: string, { reason, since, afterMs }: Parked): Promise<void> {
    if (performance.now() - since < afterMs) return;
    const client = await cell.client();
    if (reason === 'pause') await this.#try(run_id, 'resume.requested', () => client.resume(run_id));
    if (reason === 'budget') await this.#raise(cell, this.money.rootOf(run_id));
    const call = this.#unknown.get(run_id);
    if (reason !== 'unknown_outcome' || call === undefined) return;
    const took = await this.effects.has(`${run_id}/${call}`);
    await this.#try(run_id, 'outcome.resolved', () =>
      client.resolveOutcome(
        run_id,
        call,
        took ? { choice: 'mark_done', result: { by: 'a person' } } : { choice: 'retry' },
      ),
    );
  }

  async #raise(cell: Cell, root: string): Promise<void> {
    // Several of one tree wait: the first who asks raises for all.
    if (performance.now() - (this.#raisedAt.get(root) ?? -Infinity) < RAISED_FOR_ALL_MS) return;
    const client = await cell.client();
    const run = await client.getRun(root).catch(() => undefined);
    if (run === undefined || run.completed_at) return;
    const wanted = Number(run.limits.max_cost_usd ?? FIRST) + RAISE;
    this.#given.set(root, Math.max(wanted, this.#given.get(root) ?? FIRST));
    await this.#try(
      root,
      'limits.raised',
      () => client.raiseLimits(root, { max_cost_usd: wanted }),
      () => this.#raisedAt.set(root, performance.now()),
    );
  }

  async #try(run_id: string, act: Act, ask: () => Promise<unknown>, done?: () => unknown): Promise<void> {
    try {
      await ask();
      this.#acknowledged.push({ run_id, act });
      done?.();
    } catch {
      // Not answered, or too late: what the log says next decides whether it is asked again.
    }
  }

  /** Call it when everything has ended. */
  async check(figures: Figures): Promise<void> {
    await this.accounts.read();
    const count = (act: Act): number => this.#acknowledged.filter((one) => one.act === act).length;
    const { states } = this.accounts;
    figures.tell('times that a run was parked', this.#parks);
    figures.tell(
      'people paused / resumed / raised a limit / said what became of a call',
      `${count('pause.requested')} / ${count('resume.requested')} / ${count('limits.raised')} / ${count('outcome.resolved')}`,
    );
    figures.tell('the most raises of one tree, by 0.25 USD each', Math.max(0, ...this.#raises.values()));
    figures.atLeast('the most runs that were parked at a fault', Math.max(0, ...this.#metParked), 1);
    figures.none(
      'acknowledged acts that are not in the log',
      this.#acknowledged
        .filter(({ run_id, act }) => !this.#acts.has(`${run_id} ${act}`))
        .map(({ run_id, act }) => `${run_id} ${act}`),
    );
    figures.tell('recorded states of accounts', `${states.length}, ${this.accounts.missed} not seen`);
    figures.none(
      'of these with more in use than the limit',
      states.filter((state) => inUse(state) > state.limit).map(({ root, revision }) => `${root}@${revision}`),
    );
    figures.none(
      'of these with a limit that nobody gave',
      states
        .filter(({ root, limit }) => limit > Math.round((this.#given.get(root) ?? FIRST) * 1_000_000))
        .map(({ root, revision }) => `${root}@${revision}`),
    );
    const roots = [...new Set(states.map(({ root }) => root))];
    figures.none(
      'trees with less in the account than in the log, or with reservations left',
      roots.filter((root) => {
        const state = this.accounts.of(root);
        return !state || state.spent < (this.money.spent.get(root) ?? 0) || state.reserved.size > 0;
      }),
    );
    const keys = await this.effects.read();
    figures.none(
      'effects that happened twice',
      keys.filter((key, index) => keys.indexOf(key) !== index),
    );
  }
}
