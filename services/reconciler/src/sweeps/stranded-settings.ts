import { wholeSetting } from './whole-setting.ts';

export interface StrandedSettings {
  /** `RUNLEDGER_STRANDED_SWEEP_S`, default 30: about how often runs are looked for that have lost their work message. */
  sweepMs: number;
  /** `RUNLEDGER_STRANDED_AFTER_S`, default four leases, at least 60: how long such a run must have been without an event. */
  idleMs: number;
}

const MOST_S = 86_400;

/** @throws Error that names a variable which is no whole number of seconds. */
export function readStrandedSettings(leaseS: number, env: NodeJS.ProcessEnv = process.env): StrandedSettings {
  const milliseconds = (name: string, fallback: number): number =>
    1_000 * wholeSetting(env, name, { fallback, least: 1, most: MOST_S });
  return {
    sweepMs: milliseconds('RUNLEDGER_STRANDED_SWEEP_S', 30),
    idleMs: milliseconds('RUNLEDGER_STRANDED_AFTER_S', Math.max(60, 4 * leaseS)),
  };
}
