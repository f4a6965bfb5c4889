/**
 * Finds slots that nobody uses: the run has ended, or waits for something else than its next holder, and its release was
 * lost. The scheduler is asked to look at the run; that gives the slot back once, however often it is asked, and not
 * when the run has gone on meanwhile.
 */
import { isEnded, type Run } from '@runledger/run';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import type { Logger } from 'pino';

export interface SlotParts {
  slots: () => Promise<Iterable<RunAddress>>;
  runLog: Pick<RunLog, 'load' | 'page'>;
  /** False: the scheduler was asked before. */
  settle: (address: RunAddress, seq: number) => Promise<boolean>;
  logger: Logger;
  count: (outcome: SlotOutcome) => void;
}

/** `used`: its run is at work, or was a moment ago. `unused`: the scheduler was asked. `asked`: before. */
export const SLOT_OUTCOMES = ['used', 'unused', 'asked', 'failed'] as const;
export type SlotOutcome = (typeof SLOT_OUTCOMES)[number];
export type SlotTotals = Record<SlotOutcome, number>;

export interface SlotOptions {
  /** How long a release may take, in milliseconds. */
  afterMs: number;
  now: number;
  signal?: AbortSignal;
}

export async function sweepSlots(parts: SlotParts, options: SlotOptions): Promise<SlotTotals> {
  const totals: SlotTotals = { used: 0, unused: 0, asked: 0, failed: 0 };
  try {
    for (const { tenant_id, run_id } of await parts.slots()) {
      if (options.signal?.aborted) break;
      const outcome = await lookAt(parts, { tenant_id, run_id }, options);
      totals[outcome] += 1;
      parts.count(outcome);
    }
  } catch (error) {
    const fields = { event: 'reconciler.slots.total_failure', ...totals, reason: String(error) };
    parts.logger.error(fields, 'the sweep for slots that nobody uses failed');
    return totals;
  }
  const event = totals.failed > 0 ? 'reconciler.slots.partial_failure' : 'reconciler.slots.swept';
  const level = totals.failed > 0 ? 'warn' : totals.unused > 0 ? 'info' : 'debug';
  parts.logger[level]({ event, ...totals }, 'swept for slots that nobody uses');
  return totals;
}

async function lookAt(parts: SlotParts, address: RunAddress, options: SlotOptions): Promise<SlotOutcome> {
  try {
    const idle = await idleRun(parts.runLog, address, options);
    if (!idle) return 'used';
    const { status, seq } = idle;
    if (!(await parts.settle(address, seq))) return 'asked';
    parts.logger.warn(
      { event: 'reconciler.slots.unused', ...address, status },
      'a run has a slot that it does not use: the scheduler is asked to look',
    );
    return 'unused';
  } catch (error) {
    const fields = { event: 'reconciler.slots.failed', ...address, reason: String(error) };
    parts.logger.warn(fields, 'a slot could not be looked at');
    return 'failed';
  }
}

/** A run that needs no slot and has not for a while; undefined: it needs it, or did a moment ago. */
async function idleRun(
  runLog: SlotParts['runLog'],
  address: RunAddress,
  { afterMs, now }: SlotOptions,
): Promise<{ status: string; seq: number } | undefined> {
  try {
    const { run } = await runLog.load(address);
    if (needsSlot(run)) return undefined;
    const last = (await runLog.page(address, run.seq - 1, 1)).lines[0];
    const at = last && (JSON.parse(last.line) as { at: string }).at;
    return at !== undefined && now - Date.parse(at) < afterMs ? undefined : run;
  } catch (error) {
    if (error instanceof RunErased) return { status: 'erased', seq: 0 };
    throw error;
  }
}

const needsSlot = (run: Run): boolean =>
  !isEnded(run) && run.status !== 'none' && !(run.status === 'waiting' && run.waiting_on !== 'handover');
