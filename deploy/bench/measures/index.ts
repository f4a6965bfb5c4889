import type { Measure } from '../measure.ts';
import { codeStart } from './code-start.ts';
import { idleObservers } from './idle-observers.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { observers } from './observers.ts';
import { oneRun } from './one-run.ts';
import { pastStates } from './past-states.ts';
import { replay } from './replay.ts';
import { requests } from './requests.ts';
import { runs } from './runs.ts';
import { views } from './views.ts';

/** Those that make little of the log come first. */
export const MEASURES: readonly Measure[] = [
  memory,
  codeStart,
  latency,
  replay,
  observers,
  idleObservers,
  pastStates,
  oneRun,
  runs,
  views,
  requests,
];
