import type { Command, EventData, Refusal } from '@runledger/run';
import type { PreparedStart, RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { SCHEMA } from '@runledger/wire';
import type { Script } from '../agents/script.ts';
import { request } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';

const RESERVATION_LIVE_MS = 30_000;

export interface StartOrder {
  user_id: string;
  /** The person's name for what is to be started. */
  intent: string;
  idempotency_key: string | undefined;
  script: Script;
  limits: EventData['run.requested']['limits'];
}

/** Takes starts and commands, and serves the events of runs. A 2xx is what these methods resolve with. */
export class Gateway {
  readonly #runLog: RunLog;

  constructor(
    private readonly world: World,
    readonly process: SimulatedProcess,
  ) {
    this.#runLog = world.runLog(process);
    process.terminated.addEventListener('abort', () => process.timing.after(2_000, () => process.kill()));
  }

  async start(tenant_id: string, order: StartOrder): Promise<RunAddress> {
    const prepared = this.#prepare(tenant_id, order);
    const key = this.world.sabotage === 'start_twice' ? undefined : order.idempotency_key;
    if (key === undefined) return this.#complete(prepared, Infinity);
    const reservedAt = this.process.timing.now();
    const reserved = await request(this.world.network, this.process, () =>
      this.world.broker.reservations.create(key, prepared),
    );
    const isMine = reserved.run_id === prepared.run_id;
    return this.#complete(reserved, isMine ? reservedAt + RESERVATION_LIVE_MS : Infinity);
  }

  /** The domain's refusal; undefined: it is so now. */
  async command(address: RunAddress, command: Command): Promise<Refusal | undefined> {
    const executed = this.#runLog.execute(address, () => command);
    if (this.world.sabotage === 'answer_before_append') return void executed.catch(() => undefined);
    return (await executed).refusal;
  }

  follow(address: RunAddress, after: number, signal: AbortSignal): AsyncIterable<StoredLine[]> {
    return this.#runLog.follow(address, { after, signal });
  }

  async #complete(start: PreparedStart, notAfter: number): Promise<RunAddress> {
    if (this.process.timing.now() > notAfter) throw new Error('the start took too long');
    const completed = this.#runLog.completeStart(start, { fresh: Number.isFinite(notAfter) });
    if (this.world.sabotage === 'answer_before_append') void completed.catch(() => undefined);
    else await completed;
    return { tenant_id: start.tenant_id, run_id: start.run_id };
  }

  #prepare(tenant_id: string, order: StartOrder): PreparedStart {
    const run_id = this.world.newRunId();
    const requested: EventData['run.requested'] = {
      agent_id: 'simulated',
      agent_name: 'Simulated',
      agent_revision: 1,
      agent_sha256: '',
      input: order.script,
      env_keys: [],
      tenant_id,
      user_id: order.user_id,
      channel: 'api',
      root_run_id: run_id,
      depth: 0,
      labels: { intent: order.intent },
      priority: 0,
      limits: order.limits,
      trace: false,
      schema: SCHEMA,
    };
    return this.#runLog.prepareStart({ type: 'StartRun', request: requested }, { tenant_id, run_id });
  }
}
