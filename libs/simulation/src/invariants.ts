import {
  commandsAreStored,
  onlyTheHolder,
  recordedOnce,
  sameBytes,
  startsEnd,
  takenFromTheAbsent,
  wholeLogs,
} from './invariants/log.ts';
import type { Invariant, Life } from './invariants/life.ts';
import { builtOnRecords, doneOnce, nothingAfterStop, paidOnce } from './invariants/outside.ts';
import {
  everyChildIsCreated,
  everyStopHasItsReceipt,
  noOrphans,
  nothingBegins,
  stopsCascade,
  treesStopWhole,
} from './invariants/stops.ts';
import { viewsEqualLogs } from './invariants/views.ts';

const agentsAreRepeatable: Invariant = ({ runs }) =>
  [...runs.values()].flatMap((run) =>
    run
      .of('run.failed')
      .filter(({ data }) => !FORESEEN.has(data.error.code))
      .map(({ data }) => `${run.run_id} failed: ${data.error.code}: ${data.error.detail}`),
  );

/** Ends that a script or a limit may bring about. */
const FORESEEN = new Set(['agent_failed', 'timeout', 'executor_lost']);

const INVARIANTS: readonly Invariant[] = [
  ({ world }) => world.broken,
  startsEnd,
  wholeLogs,
  sameBytes,
  recordedOnce,
  onlyTheHolder,
  takenFromTheAbsent,
  commandsAreStored,
  agentsAreRepeatable,
  paidOnce,
  builtOnRecords,
  doneOnce,
  nothingAfterStop,
  nothingBegins,
  stopsCascade,
  treesStopWhole,
  everyStopHasItsReceipt,
  noOrphans,
  everyChildIsCreated,
  viewsEqualLogs,
];

/** Every broken promise of a life that is over. */
export function violations(life: Life): string[] {
  return INVARIANTS.flatMap((invariant) => invariant(life));
}
