/**
 * Owns: what one run's events mean for other runs and for timers. Commands are derived from stored events by one
 * durable consumer, never written beside them; a repeat finds that it is already so.
 */
import {
  absentChild,
  childErased,
  react,
  type Command,
  type EventOf,
  type Reaction,
  type Run,
  type RunEvent,
} from '@runledger/run';
import { RunErased, type LoadedRun, type RunAddress, type RunLog } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { admissionKey, decodeEvent } from '@runledger/wire';
import { setTimer } from '../timers/timer-queue.ts';

/** Children of one run that are stopped at once. */
const LANES = 8;

type Turn = Promise<LoadedRun | undefined>;
type StopChild = Extract<Reaction, { type: 'stop_child' }>;

export class Reactions {
  #bucket: Promise<KV> | undefined;
  /** The last command that is on its way to a run, by `<tenant>.<run>`. */
  readonly #inTurn = new Map<string, Turn>();

  constructor(
    private readonly runLog: RunLog,
    private readonly broker: Broker,
  ) {}

  /** What follows from these events; admission has a consumer of its own. */
  async follow(address: RunAddress, events: readonly RunEvent[]): Promise<void> {
    const { run } = await this.runLog.load(address);
    if (run.status === 'none') return;
    for (const event of events) {
      await this.#doAll(address, run, react(event, run));
      if (event.type === 'limits.raised' && run.parent === null) await this.#wakeTree(address);
    }
  }

  /** Some at a time: those of one event are for different runs. Each is tried, whatever becomes of the others. */
  async #doAll(address: RunAddress, run: Run, reactions: readonly Reaction[]): Promise<void> {
    const left = reactions.values();
    const errors: unknown[] = [];
    const lane = async (): Promise<void> => {
      for (const reaction of left)
        await this.#do(address, run, reaction).catch((error: unknown) => errors.push(error));
    };
    await Promise.all(Array.from({ length: Math.min(LANES, reactions.length) }, lane));
    if (errors.length > 0) throw errors[0];
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

  /** The children of one run may end all at once: in turn, none has to try again because of another. */
  async #command(address: RunAddress, command: Command): Promise<void> {
    const key = `${address.tenant_id}.${address.run_id}`;
    const mine = this.#after(this.#inTurn.get(key), address, command);
    this.#inTurn.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.#inTurn.get(key) === mine) this.#inTurn.delete(key);
    }
  }

  /** Gives the run as it is then, if that is known: whoever is next need not ask for it. */
  async #after(before: Turn | undefined, address: RunAddress, command: Command): Turn {
    const known = await before?.catch(() => undefined);
    const executed = await this.runLog.execute(address, () => command, known);
    return executed.refusal ? undefined : executed;
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
    const known = await this.runLog.load(address);
    const input =
      known.run.status === 'none' ? await this.#inputOf({ tenant_id, run_id: parent.run_id }, run_id) : null;
    const command = (child: Run): Command =>
      child.status === 'none'
        ? {
            type: 'StopAbsentChild',
            request: absentChild(parent, run_id, input),
            by,
            mode,
            reason,
            cascade_from,
          }
        : { type: 'RequestStop', by, mode, reason, cascade_from };
    await this.runLog.execute(address, command, known);
  }

  async #inputOf(parent: RunAddress, childId: string): Promise<EventOf<'child.spawned'>['data']['input']> {
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
