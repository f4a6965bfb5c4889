import {
  absentChild,
  emptyRun,
  evolve,
  isEndType,
  react,
  timedOut,
  type Command,
  type Reaction,
  type Run,
  type RunEvent,
} from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import { consume } from '../broker/consume.ts';
import type { Delivery } from '../broker/durable.ts';
import type { DueTimer, RunCommit } from '../broker/simulated-broker.ts';
import { request } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import { Admission } from './admission.ts';

const LANDMARKS = new Set(['run.requested', 'run.parked', 'run.unparked']);
const CAUSES = new Set([
  'run.parked',
  'retry.scheduled',
  'approval.requested',
  'limits.raised',
  'stop.requested',
]);
type StopChild = Extract<Reaction, { type: 'stop_child' }>;

/** Admits runs, and brings about elsewhere what follows from each commit. Repeats are harmless. */
export class Scheduler {
  readonly #runLog: RunLog;
  readonly #admission: Admission;

  constructor(
    private readonly world: World,
    readonly process: SimulatedProcess,
  ) {
    this.#runLog = world.runLog(process);
    this.#admission = new Admission(world, process, this.#runLog);
    const { network, broker } = world;
    const runs = consume<RunCommit>(broker.schedulerRuns, {
      network,
      process,
      slots: 256,
      serialBy: ({ address }) => address.run_id,
      handle: (delivery) => this.#commit(delivery),
    });
    const due = consume<DueTimer>(broker.due, {
      network,
      process,
      slots: 64,
      handle: ({ message }) => this.#fire(message),
    });
    process.terminated.addEventListener('abort', () => {
      runs.end();
      due.end();
      process.timing.after(2_000, () => process.kill());
    });
    void this.#repair();
  }

  async #repair(): Promise<void> {
    for (;;) {
      try {
        return await this.#admission.repeatGrants();
      } catch {
        await this.process.wait(1_000);
      }
    }
  }

  async #commit({ message: { address, commit }, delivery }: Delivery<RunCommit>): Promise<void> {
    const events = commit.lines.map((line) => decodeEvent(line) as RunEvent);
    const outcomes = await Promise.allSettled([
      this.#admit(address, events, delivery),
      this.#follow(address, events.filter(isCause(commit.parent !== undefined)), commit.stream_seq),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Only at the first delivery may the commit itself be believed; later the run is read. */
  async #admit(address: RunAddress, events: RunEvent[], delivery: number): Promise<void> {
    if (events.some(({ type }) => isEndType(type))) return this.#admission.release(address.run_id);
    if (events[0]?.seq === 1 && delivery === 1)
      return this.#admission.admit(events.reduce(evolve, emptyRun(address.run_id)));
    if (events.some(({ type }) => LANDMARKS.has(type))) await this.#admission.settle(address);
  }

  async #follow(address: RunAddress, causes: RunEvent[], streamSeq: number): Promise<void> {
    if (causes.length === 0) return;
    if (this.world.faults.strikes('lost_reaction')) return void this.world.lostReactions.add(streamSeq);
    const { run } = await this.#runLog.load(address);
    if (run.status === 'none') return;
    for (const event of causes)
      for (const reaction of react(event, run)) await this.#do(address, run, reaction);
  }

  async #do({ tenant_id }: RunAddress, run: Run, reaction: Reaction): Promise<void> {
    switch (reaction.type) {
      case 'command':
        if (reaction.command.type === 'UnparkRun') return;
        await this.#runLog.execute({ tenant_id, run_id: reaction.run_id }, () => reaction.command);
        return;
      case 'stop_child':
        if (this.world.sabotage !== 'stop_not_cascaded') await this.#stopChild(tenant_id, run, reaction);
        return;
      case 'set_timer': {
        const { kind, timer_id, due_at, run_id } = reaction;
        if (this.world.faults.strikes('lost_timer')) return;
        const due = this.world.time.instantOf(due_at);
        await request(this.world.network, this.process, () =>
          this.world.broker.setTimer(
            { address: { tenant_id, run_id }, kind, timer_id },
            due - this.world.time.now,
          ),
        );
        return;
      }
      default:
        return;
    }
  }

  /** A child that its parent lists but nobody created is created as stopped, so that a late creation is refused. */
  async #stopChild(tenant_id: string, parent: Run, stop: StopChild): Promise<void> {
    const { by, mode, reason, cascade_from, run_id } = stop;
    const request = absentChild(parent, run_id, null);
    await this.#runLog.execute({ tenant_id, run_id }, (child): Command =>
      child.status === 'none'
        ? { type: 'StopAbsentChild', request, by, mode, reason, cascade_from }
        : { type: 'RequestStop', by, mode, reason, cascade_from },
    );
  }

  /** The firing is the proof that it is time. A timer that no longer fits is refused, which is its end. */
  async #fire({ address, kind, timer_id }: DueTimer): Promise<void> {
    const commands: Record<DueTimer['kind'], Command> = {
      retry: { type: 'FireRetry', timer_id },
      approval: { type: 'ExpireApproval', approval_id: timer_id },
      deadline: { type: 'FailRun', error: timedOut() },
    };
    await this.#runLog.execute(address, () => commands[kind]);
  }
}

const isCause =
  (isChild: boolean) =>
  (event: RunEvent): boolean => {
    if (event.type === 'run.requested') return event.data.limits.timeout_s !== null;
    return CAUSES.has(event.type) || (isChild && isEndType(event.type));
  };
