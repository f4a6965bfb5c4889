import type { ServiceContext } from '@runledger/service-host';
import type { ViewStore } from '@runledger/view-store';
import { Counter } from 'prom-client';
import { askToSettle } from '../admission/ask-to-settle.ts';
import { grantedSlots } from '../admission/granted-slots.ts';
import { childrenSweep } from './children.ts';
import { DriftSweep, type DriftOutcome } from './drift.ts';
import { expiredSweep } from './expired.ts';
import { LogWalk } from './log-walk.ts';
import { orphansSweep } from './orphans.ts';
import { overdueStops } from './overdue-stops.ts';
import { sweepSlots, type SlotParts } from './slots.ts';
import { sweepRuns, type SweepKind, type SweepParts } from './sweep.ts';
import { SweepTimer } from './sweep-timer.ts';
import { readUpkeepSettings, type UpkeepSettings } from './upkeep-settings.ts';

/** One timer for each kind of sweep, so that a slow one holds up no other. */
export function upkeepTimers(context: ServiceContext, store: ViewStore): SweepTimer[] {
  const { sweepMs, afterMs, stopGraceMs, driftSweepMs, driftSample } = readUpkeepSettings();
  const parts = sweepParts(context, store);
  const timer = (kind: SweepKind, idleMs: number): SweepTimer =>
    new SweepTimer(sweepMs, (signal) => sweepRuns(kind, parts, { idleMs, now: Date.now(), signal }));
  return [
    timer(overdueStops({ afterMs, graceMs: stopGraceMs }), 0),
    timer(childrenSweep, afterMs),
    // An orphan may be as busy as any run.
    timer(orphansSweep(afterMs), 0),
    timer(expiredSweep(afterMs), afterMs),
    slotsTimer(context, sweepMs, afterMs),
    ...(driftSample === 0 ? [] : [driftTimer(context, store, { driftSweepMs, driftSample, afterMs })]),
  ];
}

function slotsTimer(
  { broker, runLog, logger, metrics }: ServiceContext,
  sweepMs: number,
  afterMs: number,
): SweepTimer {
  const slots = new Counter({
    name: 'runledger_slots_looked_at_total',
    help: 'Slots of runs that were looked at, by outcome',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const parts: SlotParts = {
    slots: async () => (await grantedSlots(broker)).values(),
    runLog,
    settle: (address, seq) => askToSettle(broker, address, seq),
    logger,
    count: (outcome) => slots.inc({ outcome }),
  };
  return new SweepTimer(sweepMs, (signal) => sweepSlots(parts, { afterMs, now: Date.now(), signal }));
}

function driftTimer(
  { broker, runLog, logger, metrics }: ServiceContext,
  store: ViewStore,
  { driftSweepMs, driftSample, afterMs }: Pick<UpkeepSettings, 'driftSweepMs' | 'driftSample' | 'afterMs'>,
): SweepTimer {
  const compared = new Counter({
    name: 'runledger_view_drift_total',
    help: 'Views that were compared with the log, by outcome',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const count = (outcome: DriftOutcome) => compared.inc({ outcome });
  const drift = new DriftSweep({ store, runLog, logger, count }, new LogWalk(broker));
  return new SweepTimer(driftSweepMs, (signal) =>
    drift.sweep({ sample: driftSample, lagMs: afterMs, now: Date.now(), signal }),
  );
}

function sweepParts({ runLog, logger, metrics }: ServiceContext, store: ViewStore): SweepParts {
  const suspects = new Counter({
    name: 'runledger_sweep_suspects_total',
    help: 'Runs that a sweep looked at, by sweep and outcome',
    labelNames: ['sweep', 'outcome'],
    registers: [metrics],
  });
  return { store, runLog, logger, count: (sweep, outcome) => suspects.inc({ sweep, outcome }) };
}
