import type { EventData, RunEvent } from '@runledger/run';
import {
  HoldLost,
  LogUnavailable,
  type HeldRun,
  type LoadedRun,
  type RunAddress,
  type RunLog,
  type StoredLine,
} from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import { Calls } from '../agents/calls.ts';
import { appendEnd, type Ending } from '../agents/endings.ts';
import { Gate, lossOf } from '../agents/gate.ts';
import { Inbox } from '../agents/inbox.ts';
import { Interpreter } from '../agents/interpreter.ts';
import { AgentFailed, AgentStopped, Handover, OutcomeUnknown, Parked } from '../agents/interruptions.ts';
import { Recorded } from '../agents/recorded.ts';
import type { Script } from '../agents/script.ts';
import { consume, KEEP, type Handled } from '../broker/consume.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import { Claims, type Grant } from './claim.ts';
import { HolderTable } from './holder-table.ts';

/** How long a run may go on before a shutdown interrupts it. */
const BOUNDARY_WAIT_MS = 10_000;
const LOOK_MS = 100;

/** Holds runs: from a delivery of work to the acknowledgement that it is done. */
export class Executor {
  readonly #runLog: RunLog;
  readonly #table: HolderTable;
  readonly #claims: Claims;
  #endFetching: () => void;

  constructor(
    private readonly world: World,
    readonly process: SimulatedProcess,
  ) {
    this.#runLog = world.runLog(process);
    this.#table = new HolderTable(world, process);
    this.#claims = new Claims(world, process, this.#runLog, this.#table);
    this.#endFetching = consume(world.broker.work.durable, {
      network: world.network,
      process,
      slots: world.random.between(1, 4),
      handle: ({ id, message: { dispatch, ...address }, delivery }, freeSlot) =>
        this.#work(address, { dispatch, work_seq: id, delivery }, freeSlot),
    }).end;
    process.terminated.addEventListener('abort', () => void this.#shutDown(), { once: true });
  }

  async #shutDown(): Promise<void> {
    this.#endFetching();
    const latest = this.process.timing.now() + 2 * BOUNDARY_WAIT_MS;
    while (this.#table.size > 0 && this.process.timing.now() < latest) await this.process.wait(LOOK_MS);
    await this.process.wait(LOOK_MS);
    this.process.kill();
  }

  async #work(address: RunAddress, grant: Grant, freeSlot: () => void): Promise<Handled> {
    if (this.process.terminated.aborted) throw new Error('this executor is shutting down');
    if (!this.#table.add(address.run_id)) return KEEP;
    try {
      const claim = await this.#claims.claim(address, grant);
      if (claim.outcome !== 'begun') return claim.outcome === 'done' ? undefined : KEEP;
      return await this.#hold(address, claim.loaded, freeSlot);
    } finally {
      this.#table.remove(address.run_id);
    }
  }

  async #hold(address: RunAddress, loaded: LoadedRun, freeSlot: () => void): Promise<Handled> {
    const held = await this.#runLog.hold(address, loaded);
    try {
      const done = await Promise.race([this.#runToEnd(held, loaded.lines, freeSlot), lost(held)]);
      return done ? undefined : KEEP;
    } catch (error) {
      this.#noteUnexpected(error);
      return KEEP;
    } finally {
      await held.release().catch(() => undefined);
    }
  }

  #noteUnexpected(error: unknown): void {
    if (error instanceof HoldLost || error instanceof LogUnavailable) return;
    this.world.broken.push(
      `executor: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }

  async #runToEnd(held: HeldRun, known: StoredLine[] | undefined, freeSlot: () => void): Promise<boolean> {
    const heldBy = { executor: this.process.name, attempt: held.run.attempt };
    const draining = this.process.terminated;
    const gate = new Gate({ held, heldBy, timing: this.process.timing, draining });
    const inbox = new Inbox(held);
    const cancelLate = this.#interruptLate(gate);
    try {
      const history = await this.#history(held, known);
      inbox.learn(history);
      const ending = await this.#runAgent({ held, heldBy, gate, inbox, history });
      if ('error' in ending && ending.error instanceof HoldLost) throw ending.error;
      const isHandover = 'error' in ending && ending.error instanceof Handover;
      // A call that may have taken effect must not be handed over as if it had not: its holder is found dead instead.
      if (isHandover && held.run.open_calls.some((call) => call.state === 'called' && !call.idempotent))
        return false;
      return await appendEnd({ held, heldBy, gate, inbox, time: this.world.time, freeSlot }, ending);
    } finally {
      cancelLate();
      gate.close();
    }
  }

  async #runAgent(parts: {
    held: HeldRun;
    heldBy: { executor: string; attempt: number };
    gate: Gate;
    inbox: Inbox;
    history: RunEvent[];
  }): Promise<Ending> {
    const { held, gate, history } = parts;
    const request = history[0]?.data as EventData['run.requested'];
    const endTimeLimit = this.#startTimeLimit(held, gate);
    try {
      await gate.pass('start');
      const calls = new Calls({
        ...parts,
        world: this.world,
        process: this.process,
        runLog: this.#runLog,
        outside: this.world.outside,
        recorded: new Recorded(history),
        request,
        paid: history.filter((event) => event.type === 'step.completed' && event.data.kind === 'model')
          .length,
      });
      const script = request.input as unknown as Script;
      return { result: await Promise.race([new Interpreter(calls).run(script), interruption(gate)]) };
    } catch (thrown) {
      const error: unknown =
        gate.interrupted.aborted && !(thrown instanceof HoldLost) ? gate.interrupted.reason : thrown;
      if (endsAttempt(error)) return { error };
      throw error;
    } finally {
      endTimeLimit();
    }
  }

  #startTimeLimit(held: HeldRun, gate: Gate): () => void {
    const seconds = held.run.limits.timeout_s;
    if (seconds === null) return () => undefined;
    const due = this.world.time.instantOf(held.run.requested_at) + seconds * 1_000;
    return this.process.timing.after(Math.max(0, due - this.process.timing.now()), () => gate.timeOut());
  }

  #interruptLate(gate: Gate): () => void {
    let cancel = (): void => undefined;
    const start = (): void => {
      cancel = this.process.timing.after(BOUNDARY_WAIT_MS, () => gate.leave());
    };
    if (this.process.terminated.aborted) start();
    else this.process.terminated.addEventListener('abort', start, { once: true });
    return () => {
      this.process.terminated.removeEventListener('abort', start);
      cancel();
    };
  }

  async #history(held: HeldRun, known: StoredLine[] = []): Promise<RunEvent[]> {
    const lines = known.slice(0, held.run.seq);
    while (lines.length < held.run.seq) {
      const page = await this.#runLog.page(held.address, lines.length, held.run.seq - lines.length);
      lines.push(...page.lines);
    }
    return lines.map(({ line }) => decodeEvent(line) as RunEvent);
  }
}

function endsAttempt(error: unknown): boolean {
  return [AgentFailed, AgentStopped, Handover, OutcomeUnknown, Parked, HoldLost].some(
    (one) => error instanceof one,
  );
}

function interruption(gate: Gate): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(gate.interrupted.reason as Error);
    if (gate.interrupted.aborted) fail();
    else gate.interrupted.addEventListener('abort', fail, { once: true });
  });
}

function lost(held: HeldRun): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(lossOf(held));
    if (held.lost.aborted) fail();
    else held.lost.addEventListener('abort', fail, { once: true });
  });
}
