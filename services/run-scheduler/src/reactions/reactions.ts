/**
 * Owns: what one run's events mean for other runs and for timers. Commands are derived from stored events by one
 * durable consumer, never written beside them; a repeat finds that it is already so.
 */
import {
  emptyRun,
  react,
  type Command,
  type EventOf,
  type Reaction,
  type Run,
  type RunEvent,
} from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { admissionKey, decodeEvent, SCHEMA } from '@runledger/wire';
import { setTimer } from '../timers/timer-queue.ts';

type StopChild = Extract<Reaction, { type: 'stop_child' }>;

const NO_LIMITS = { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 1 };

export class Reactions {
  #bucket: Promise<KV> | undefined;

  constructor(
    private readonly runLog: RunLog,
    private readonly broker: Broker,
  ) {}

  /** What follows from these events; admission has a consumer of its own. */
  async follow(address: RunAddress, events: readonly RunEvent[]): Promise<void> {
    const { run } = await this.runLog.load(address);
    if (run.status === 'none') return;
    for (const event of events) {
      for (const reaction of react(event, run)) await this.#do(address, run, reaction);
      if (event.type === 'limits.raised' && run.parent === null) await this.#wakeTree(address);
    }
  }

  async #do({ tenant_id }: RunAddress, run: Run, reaction: Reaction): Promise<void> {
    switch (reaction.type) {
      case 'command':
        if (reaction.command.type === 'UnparkRun') return;
        await this.runLog.execute({ tenant_id, run_id: reaction.run_id }, () => reaction.command);
        return;
      case 'stop_child':
        return this.#stopChild(tenant_id, run, reaction);
      case 'set_timer':
        return setTimer(this.broker, { tenant_id, run_id: reaction.run_id }, reaction);
      default:
        return;
    }
  }

  /** Runs below a root that wait for its money: a raise of the root's limit is what they waited for. */
  async #wakeTree({ tenant_id, run_id }: RunAddress): Promise<void> {
    const account = await (await this.#budget()).get(admissionKey(tenant_id, run_id));
    if (account?.operation !== 'PUT') return;
    const { waiting = [] } = account.json<{ waiting?: string[] }>();
    for (const member of waiting)
      await this.runLog.execute({ tenant_id, run_id: member }, () => ({
        type: 'UnparkRun',
        reason: 'budget',
      }));
  }

  #budget(): Promise<KV> {
    this.#bucket ??= new Kvm(this.broker.js).open('budget').catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    return this.#bucket;
  }

  /** A child that its parent lists but nobody created is created as stopped, so that a late creation is refused. */
  async #stopChild(tenant_id: string, parent: Run, stop: StopChild): Promise<void> {
    const { by, mode, reason, cascade_from, run_id } = stop;
    const address = { tenant_id, run_id };
    const absent = await this.#absentChild(tenant_id, parent, run_id);
    await this.runLog.execute(address, (child): Command => {
      if (child.status === 'none')
        return { type: 'StopAbsentChild', request: absent, by, mode, reason, cascade_from };
      return { type: 'RequestStop', by, mode, reason, cascade_from };
    });
  }

  async #absentChild(
    tenant_id: string,
    parent: Run,
    childId: string,
  ): Promise<EventOf<'run.requested'>['data']> {
    const child = parent.children.find((one) => one.child_run_id === childId);
    return {
      agent_id: child?.agent_id ?? '',
      agent_name: child?.agent_id ?? '',
      agent_revision: 0,
      agent_sha256: '',
      input: await this.#inputOf({ tenant_id, run_id: parent.run_id }, childId),
      env_keys: [],
      tenant_id,
      user_id: parent.user_id,
      ...(parent.workspace_id === null ? {} : { workspace_id: parent.workspace_id }),
      channel: 'agent',
      parent: { run_id: parent.run_id, call_id: child?.call_id ?? '' },
      root_run_id: parent.root_run_id,
      depth: parent.depth + 1,
      labels: {},
      priority: parent.priority,
      limits: NO_LIMITS,
      trace: false,
      schema: SCHEMA,
    };
  }

  async #inputOf(parent: RunAddress, childId: string): Promise<EventOf<'child.spawned'>['data']['input']> {
    if ((await this.runLog.load({ ...parent, run_id: childId })).run.status !== emptyRun(childId).status)
      return null;
    for (let after = 0; ;) {
      const { lines, last_seq } = await this.runLog.page(parent, after, 1_000);
      const spawned = lines
        .filter((line) => line.type === 'child.spawned')
        .map((line) => decodeEvent(line.line) as EventOf<'child.spawned'>)
        .find((event) => event.data.child_run_id === childId);
      if (spawned) return spawned.data.input;
      after += lines.length;
      if (lines.length === 0 || after >= last_seq) return null;
    }
  }
}
