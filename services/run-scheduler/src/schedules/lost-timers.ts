/**
 * Owns: that no schedule is without its timer. A change of a definition and a firing set the next timer, and are repeated
 * until they have; what this looks for are timers that were there and are gone, with their stream or a part of it.
 *
 * 1. Any number of replicas may sweep at once, and beside firings: a timer that is set twice replaces itself, and one for a
 *    time that was handled sets the next one.
 * 2. A sweep never throws, and one schedule's failure does not keep the next from being looked at.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker } from '@runledger/nest-jetstream';
import { directPage, type DirectMessage } from '@runledger/run-log';
import {
  ALL_SCHEDULES,
  dueSubject,
  parseScheduleSubject,
  timerSubject,
  type Schedule,
} from '@runledger/wire';
import type { Logger } from 'pino';
import type { ScheduleAddress } from './schedules.ts';

const ANSWER_WITHIN_MS = 5_000;

export interface LostTimersParts {
  broker: Broker;
  logger: Logger;
  /** Sets the timer of a schedule's next due time; false: it has none. */
  arm: (address: ScheduleAddress) => Promise<boolean>;
}

export interface LostTimersTotals {
  looked_at: number;
  rearmed: number;
  failed: number;
}

export async function rearmLostTimers(
  { broker, logger, arm }: LostTimersParts,
  signal?: AbortSignal,
): Promise<LostTimersTotals> {
  const totals = { looked_at: 0, rearmed: 0, failed: 0 };
  try {
    const present = await timersPresent(broker);
    for await (const message of messagesOf(broker, 'KV_schedules', ALL_SCHEDULES)) {
      if (signal?.aborted) break;
      // The mark of a deletion.
      if (message.headers.has('KV-Operation')) continue;
      totals.looked_at += 1;
      try {
        if (needsTimer(message, present) && (await arm(parseScheduleSubject(message.subject))))
          totals.rearmed += 1;
      } catch (error) {
        totals.failed += 1;
        const { subject } = message;
        logger.warn({ event: 'scheduler.schedule.not_rearmed', subject, reason: String(error) });
      }
    }
    report(logger, totals);
  } catch (error) {
    logger.warn({ event: 'scheduler.schedules.sweep_failed', ...totals, reason: String(error) });
  }
  return totals;
}

function report(logger: Logger, totals: LostTimersTotals): void {
  const found = totals.rearmed + totals.failed > 0;
  logger[found ? 'warn' : 'debug'](
    { event: 'scheduler.schedules.swept', ...totals },
    found ? 'schedules had lost their timers' : 'every schedule has its timer',
  );
}

/** Set ones and fired ones that are not handled yet. */
async function timersPresent(broker: Broker): Promise<Set<string>> {
  const present = new Set<string>();
  for (const filter of ['timers.schedule.>', 'due.schedule.>'])
    for await (const { subject } of messagesOf(broker, 'TIMERS', filter)) present.add(subject);
  return present;
}

/** A definition that was read from a replica may be old: a change of it has set the timer. */
function needsTimer({ subject, text }: DirectMessage, present: ReadonlySet<string>): boolean {
  if (!(JSON.parse(text) as Schedule).enabled) return false;
  return !timersOf(parseScheduleSubject(subject)).some((timer) => present.has(timer));
}

const timersOf = ({ tenant_id, schedule_id }: ScheduleAddress): string[] => [
  timerSubject('schedule', tenant_id, schedule_id, 'next'),
  dueSubject('schedule', tenant_id, schedule_id, 'next'),
];

async function* messagesOf(broker: Broker, stream: string, filter: string): AsyncIterable<DirectMessage> {
  for (let seq = 1; ;) {
    const page = await directPage(broker.nc, stream, { seq, next_by_subj: filter }, ANSWER_WITHIN_MS);
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    seq = last.seq + 1;
  }
}

/** Sweeps from the start on, a jittered interval after the end of the sweep before. */
export class LostTimersSweep {
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: LostTimersParts,
    private readonly intervalMs: number,
  ) {}

  start(): void {
    this.#loop = this.#repeat(this.#stopped.signal);
  }

  /** Resolves when the sweep that runs has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await rearmLostTimers(this.parts, signal);
      const jittered = this.intervalMs * (0.75 + Math.random() / 2);
      await pause(jittered, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}
