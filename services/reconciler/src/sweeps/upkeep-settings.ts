import { wholeSetting } from './whole-setting.ts';

export interface UpkeepSettings {
  /** `RUNLEDGER_SWEEP_S`, default 30: about how often stops, orphans, waiting parents and expired runs are looked for. */
  sweepMs: number;
  /** `RUNLEDGER_SWEEP_AFTER_S`, default 60: how long what should follow by itself is waited for. */
  afterMs: number;
  /** `RUNLEDGER_STOP_GRACE_S`, default 300: after how long a stop that its holder has not observed becomes a kill; 0: never. */
  stopGraceMs: number;
  /** `RUNLEDGER_DRIFT_SWEEP_S`, default 60: about how often views are compared with the log. */
  driftSweepMs: number;
  /** `RUNLEDGER_DRIFT_SAMPLE`, default 100: views that are compared each time; 0: none. */
  driftSample: number;
}

const DAY_S = 86_400;

/** @throws Error that names a variable which is no whole number in its range. */
export function readUpkeepSettings(env: NodeJS.ProcessEnv = process.env): UpkeepSettings {
  const seconds = (name: string, fallback: number, least: number): number =>
    1_000 * wholeSetting(env, name, { fallback, least, most: DAY_S });
  return {
    sweepMs: seconds('RUNLEDGER_SWEEP_S', 30, 1),
    afterMs: seconds('RUNLEDGER_SWEEP_AFTER_S', 60, 1),
    stopGraceMs: seconds('RUNLEDGER_STOP_GRACE_S', 300, 0),
    driftSweepMs: seconds('RUNLEDGER_DRIFT_SWEEP_S', 60, 1),
    driftSample: wholeSetting(env, 'RUNLEDGER_DRIFT_SAMPLE', { fallback: 100, least: 0, most: 10_000 }),
  };
}
