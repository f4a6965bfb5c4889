import type { ServiceContext } from '@runledger/service-host';
import type { ViewStore } from '@runledger/view-store';
import { Counter } from 'prom-client';
import { childrenSweep } from './children.ts';
import { expiredSweep } from './expired.ts';
import { orphansSweep } from './orphans.ts';
import { overdueStops } from './overdue-stops.ts';
import { sweepRuns, type SweepKind, type SweepParts } from './sweep.ts';
import { SweepTimer } from './sweep-timer.ts';
import { readUpkeepSettings } from './upkeep-settings.ts';

/** One timer for each kind of sweep, so that a slow one holds up no other. */
export function upkeepTimers(context: ServiceContext, store: ViewStore): SweepTimer[] {
  const { sweepMs, afterMs, stopGraceMs } = readUpkeepSettings();
  const parts = sweepParts(context, store);
  const timer = (kind: SweepKind, idleMs: number): SweepTimer =>
    new SweepTimer(sweepMs, (signal) => sweepRuns(kind, parts, { idleMs, now: Date.now(), signal }));
  return [
    timer(overdueStops({ afterMs, graceMs: stopGraceMs }), 0),
    timer(childrenSweep, afterMs),
    // An orphan may be as busy as any run.
    timer(orphansSweep(afterMs), 0),
    timer(expiredSweep(afterMs), afterMs),
  ];
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
