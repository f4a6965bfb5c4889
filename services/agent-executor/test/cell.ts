import { randomBytes } from 'node:crypto';
import { Kvm } from '@nats-io/kv';
import type { AgentDefinition, JsonValue } from '@runledger/harness';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import type { EventData } from '@runledger/run';
import { JetStreamRunLog, type RunAddress } from '@runledger/run-log';
import { startBroker, waitFor, type TestBroker } from '@runledger/testkit';
import { agentKey, decodeEvent, encodeWork, workSubject } from '@runledger/wire';
import { ulid } from 'ulid';

export interface SeenEvent {
  seq: number;
  type: string;
  attempt: number;
  at: string;
  data: Record<string, unknown>;
}

/** A broker of a test's own with the layout made, and what a gateway and a scheduler would do to it. */
export class Cell {
  readonly tenant = 'acme';
  readonly pool = 'default';
  readonly secretKey = randomBytes(32);

  private constructor(
    readonly server: TestBroker,
    readonly broker: Broker,
    readonly log: JetStreamRunLog,
  ) {}

  static async start(): Promise<Cell> {
    const server = await startBroker();
    const broker = await connectBroker({ url: server.url, name: 'test' });
    await bootstrap(broker, LAYOUT);
    return new Cell(server, broker, new JetStreamRunLog(broker, { writer: 'gateway/test' }));
  }

  async stop(): Promise<void> {
    await this.log.close();
    await this.broker.close();
    await this.server.stop();
  }

  /** Stores the agent and starts a run of it; the work message is a separate step. */
  async request(
    agent: AgentDefinition,
    input: JsonValue,
    more: Partial<EventData['run.requested']> = {},
  ): Promise<RunAddress> {
    const revision = await this.store(agent);
    const address = { tenant_id: this.tenant, run_id: ulid() };
    const request: EventData['run.requested'] = {
      agent_id: agent.agent_id,
      agent_name: agent.name,
      agent_revision: revision,
      agent_sha256: '0'.repeat(64),
      input,
      env_keys: [],
      tenant_id: this.tenant,
      user_id: 'ada',
      channel: 'api',
      root_run_id: address.run_id,
      depth: 0,
      labels: {},
      priority: 0,
      limits: {
        max_turns: agent.limits?.max_turns ?? null,
        max_cost_usd: null,
        timeout_s: agent.limits?.timeout_s ?? null,
        max_attempts: 1,
      },
      trace: false,
      schema: 1,
      ...more,
    };
    await this.log.completeStart(this.log.prepareStart({ type: 'StartRun', request }, address));
    return address;
  }

  /** The revision that the definition is stored as. */
  async store(agent: AgentDefinition): Promise<number> {
    const bucket = await new Kvm(this.broker.js).open('agents');
    return bucket.put(agentKey(this.tenant, agent.agent_id), JSON.stringify(agent));
  }

  async dispatch(address: RunAddress, dispatch = 1): Promise<number> {
    const ack = await this.broker.js.publish(
      workSubject(this.pool, address.tenant_id, address.run_id),
      encodeWork({ dispatch }),
    );
    return ack.seq;
  }

  async start(
    agent: AgentDefinition,
    input: JsonValue,
    more?: Partial<EventData['run.requested']>,
  ): Promise<RunAddress> {
    const address = await this.request(agent, input, more);
    await this.dispatch(address);
    return address;
  }

  async requestStop(address: RunAddress, mode: 'cooperative' | 'kill' = 'cooperative'): Promise<void> {
    const done = await this.log.execute(address, () => ({
      type: 'RequestStop',
      by: { user_id: 'ada', channel: 'api' },
      mode,
      reason: 'enough',
    }));
    if (done.refusal) throw new Error(done.refusal.detail);
  }

  async events(address: RunAddress): Promise<SeenEvent[]> {
    const events: SeenEvent[] = [];
    for (;;) {
      const page = await this.log.page(address, events.length, 1_000);
      events.push(...page.lines.map(({ line }) => decodeEvent(line) as SeenEvent));
      if (events.length >= page.last_seq) return events;
    }
  }

  /** Waits until an event satisfies the condition, and gives it. */
  async until(
    address: RunAddress,
    condition: (event: SeenEvent) => boolean,
    timeoutMs = 15_000,
  ): Promise<SeenEvent> {
    let last: SeenEvent[] = [];
    return waitFor(
      async () => {
        last = await this.events(address);
        return last.find(condition);
      },
      {
        timeoutMs,
        everyMs: 30,
        describe: () =>
          `an event of ${address.run_id}; it has:\n${last
            .map((event) => JSON.stringify(event))
            .join('\n')
            .slice(-4_000)}`,
      },
    );
  }

  async ended(address: RunAddress, timeoutMs?: number): Promise<SeenEvent> {
    return this.until(
      address,
      (event) => ['run.succeeded', 'run.failed', 'run.stopped'].includes(event.type),
      timeoutMs,
    );
  }

  /** Messages on WORK, delivered or not. */
  async outstandingWork(): Promise<number> {
    const info = await (await this.broker.jsm()).streams.info('WORK');
    return info.state.messages;
  }
}
