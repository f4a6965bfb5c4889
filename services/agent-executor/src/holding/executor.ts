import type { JetStreamClient } from '@nats-io/jetstream';
import { AgentFailed, type AgentKind, type Harness } from '@runledger/harness';
import { KEEP, type Handled } from '@runledger/nest-jetstream';
import {
  HoldLost,
  type HeldRun,
  type LoadedRun,
  type RunAddress,
  type RunLog,
  type StoredLine,
} from '@runledger/run-log';
import type { Logger } from 'pino';
import { Gate, lossOf } from '../boundary/gate.ts';
import { Handover } from '../boundary/interruptions.ts';
import { LargeValues } from '../boundary/large-values.ts';
import type { Prices } from '../budget/prices.ts';
import type { AgentDefinitions } from '../definitions/agent-definitions.ts';
import type { RunEnvironment } from '../definitions/run-environment.ts';
import type { HeldBy } from '@runledger/run';
import type { Engines } from '../engines/engines.ts';
import { Claims, type Claimant, type Grant } from './claim.ts';
import { appendEnd, endsAttempt, type Ending } from './ending.ts';
import { readHistory, requestOf } from './history.ts';
import { runAgent, type HoldParts } from './hold.ts';
import type { HolderTable } from './holder-table.ts';
import { Inbox } from './inbox.ts';

/** How long a run may go on before a shutdown interrupts it. */
const BOUNDARY_WAIT_MS = 10_000;

export interface ExecutorParts {
  runLog: RunLog;
  table: HolderTable;
  definitions: AgentDefinitions;
  environment: RunEnvironment;
  engines: Engines;
  js: JetStreamClient;
  prices: Prices;
  draining: AbortSignal;
  pool: string;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Holds runs: from a delivery of work to the acknowledgement that it is done. */
export class Executor {
  readonly #claims: Claims;

  constructor(private readonly parts: ExecutorParts) {
    this.#claims = new Claims(parts.runLog, parts.table);
  }

  /**
   * Resolves when the message may be acked (`void`) or must be left alone (`KEEP`). Rejects only before this delivery
   * has begun an attempt. `freeSlot` is called when the run only waits for others any more.
   */
  async work(address: RunAddress, grant: Grant, freeSlot: () => void): Promise<Handled> {
    if (this.parts.draining.aborted) throw new Error('this executor is shutting down');
    if (!this.parts.table.add(address.run_id)) return KEEP;
    try {
      const claim = await this.#claims.claim(address, grant, (seen) => this.#claimant(address, seen));
      if (claim.outcome !== 'begun') return claim.outcome === 'done' ? undefined : KEEP;
      return await this.#hold(address, claim.loaded, freeSlot);
    } finally {
      this.parts.table.remove(address.run_id);
    }
  }

  async #claimant(address: RunAddress, seen: LoadedRun): Promise<Claimant> {
    const request = requestOf(await readHistory(this.parts.runLog, address, 1, seen.lines));
    const engine = await this.parts.definitions.load(request).then(
      (agent) => agent.kind,
      (error: unknown) => {
        if (error instanceof AgentFailed) return 'none';
        throw error;
      },
    );
    return { executor: this.parts.table.instance, pool: this.parts.pool, engine };
  }

  async #hold(address: RunAddress, loaded: LoadedRun, freeSlot: () => void): Promise<Handled> {
    let held: HeldRun | undefined;
    try {
      held = await this.parts.runLog.hold(address, loaded);
      const done = await Promise.race([this.#runToEnd(held, loaded.lines, freeSlot), lost(held)]);
      return done ? undefined : KEEP;
    } catch (error) {
      const level = error instanceof HoldLost ? 'info' : 'error';
      this.parts.logger[level]({ err: error, run_id: address.run_id }, 'let go of a run');
      return KEEP;
    } finally {
      await held
        ?.release()
        .catch((error: unknown) =>
          this.parts.logger.warn({ err: error, run_id: address.run_id }, 'release failed'),
        );
    }
  }

  async #runToEnd(held: HeldRun, known: StoredLine[] | undefined, freeSlot: () => void): Promise<boolean> {
    const heldBy: HeldBy = { executor: this.parts.table.instance, attempt: held.run.attempt };
    const gate = new Gate(held, heldBy, this.parts.draining);
    const inbox = new Inbox(held);
    const handover = interruptLate(this.parts.draining, gate);
    try {
      const history = await readHistory(this.parts.runLog, held.address, held.run.seq, known);
      inbox.learn(history);
      const parts: HoldParts = {
        held,
        heldBy,
        gate,
        inbox,
        history,
        values: new LargeValues(this.parts.runLog, held.address),
      };
      const ending = await this.#runAgent(parts);
      if ('error' in ending && ending.error instanceof HoldLost) throw ending.error;
      // A call that may have taken effect must not be handed over as if it had not: its holder is found dead instead.
      if (
        isHandover(ending) &&
        held.run.open_calls.some((call) => call.state === 'called' && !call.idempotent)
      )
        return false;
      return await appendEnd({ ...parts, freeSlot }, ending);
    } finally {
      handover();
      gate.close();
    }
  }

  async #runAgent(parts: HoldParts): Promise<Ending> {
    try {
      await parts.gate.pass('start');
      const request = requestOf(parts.history);
      const agent = await this.parts.definitions.load(request);
      const env = await this.parts.environment.load(parts.held.address, agent, request);
      return await runAgent(parts, {
        agent,
        env,
        harness: this.#harness(agent.kind),
        engines: this.parts.engines,
        runLog: this.parts.runLog,
        definitions: this.parts.definitions,
        js: this.parts.js,
        prices: this.parts.prices,
      });
    } catch (error) {
      if (endsAttempt(error)) return { error };
      throw error;
    }
  }

  #harness(kind: AgentKind): Harness {
    const harness = this.parts.engines.harness(kind);
    if (harness) return harness;
    throw new AgentFailed({
      code: 'engine_unavailable',
      category: 'agent',
      title: 'This executor cannot run agents of this kind',
      detail: `the agent's kind is "${kind}"`,
      remedy: `Use one of ${this.parts.engines.kinds.join(', ')}.`,
      retryable: false,
    });
  }
}

function lost(held: HeldRun): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(lossOf(held));
    if (held.lost.aborted) fail();
    else held.lost.addEventListener('abort', fail, { once: true });
  });
}

function interruptLate(draining: AbortSignal, gate: Gate): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = (): void => {
    timer = setTimeout(() => gate.leave(new Handover('shutdown')), BOUNDARY_WAIT_MS);
  };
  if (draining.aborted) start();
  else draining.addEventListener('abort', start, { once: true });
  return () => {
    draining.removeEventListener('abort', start);
    clearTimeout(timer);
  };
}

function isHandover(ending: Ending): boolean {
  return 'error' in ending && ending.error instanceof Handover;
}
