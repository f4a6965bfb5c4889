/**
 * Owns: what one run's events mean for other runs and for timers. Commands are derived from stored events by one
 * durable consumer, never written beside them; a repeat finds that it is already so.
 */
import {
  absentChild,
  childErased,
  emptyRun,
  react,
  type Command,
  type EventOf,
  type Reaction,
  type Run,
  type RunEvent,
} from '@runledger/run';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { admissionKey, decodeEvent } from '@runledger/wire';
import { setTimer } from '../timers/timer-queue.ts';

type StopChild = Extract<Reaction, { type: 'stop_child' }>;

export class Reactions {
  #bucket: Promise<KV> | undefined;
  /** The last command that is on its way to a run, by `<tenant>.<run>`. */
  readonly #inTurn = new Map<string, Promise<void>>();

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
        return this.#command({ tenant_id, run_id: reaction.run_id }, reaction.command);
      case 'stop_child':
        return this.#stopChild(tenant_id, run, reaction);
      case 'set_timer':
        return setTimer(this.broker, { tenant_id, run_id: reaction.run_id }, reaction);
      default:
        return;
    }
  }

  /** The children of one run may end all at once; in turn, none has to try again because of another. */
  async #command(address: RunAddress, command: Command): Promise<void> {
    const key = `${address.tenant_id}.${address.run_id}`;
    const before = this.#inTurn.get(key);
    const mine = (async () => {
      await before?.catch(() => undefined);
      await this.runLog.execute(address, () => command);
    })();
    this.#inTurn.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.#inTurn.get(key) === mine) this.#inTurn.delete(key);
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
    try {
      await this.#stopOne(tenant_id, parent, stop);
    } catch (error) {
      if (!(error instanceof RunErased)) throw error;
      // It has ended, for nothing else is erased, and its parent was not told: the other children are stopped all the same.
      const { run_id } = stop;
      await this.runLog.execute({ tenant_id, run_id: parent.run_id }, () => ({
        type: 'EndChild',
        child_run_id: run_id,
        status: 'error',
        error: childErased(run_id),
      }));
    }
  }

  async #stopOne(tenant_id: string, parent: Run, stop: StopChild): Promise<void> {
    const { by, mode, reason, cascade_from, run_id } = stop;
    const address = { tenant_id, run_id };
    const input = await this.#inputOf({ tenant_id, run_id: parent.run_id }, run_id);
    await this.runLog.execute(address, (child): Command => {
      if (child.status === 'none')
        return {
          type: 'StopAbsentChild',
          request: absentChild(parent, run_id, input),
          by,
          mode,
          reason,
          cascade_from,
        };
      return { type: 'RequestStop', by, mode, reason, cascade_from };
    });
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
