import { wholeSetting } from './whole-setting.ts';

export interface RetentionSettings {
  /** `RUNLEDGER_RETENTION_DAYS`, default 90: how long after its end a run is kept, in milliseconds; undefined (0 days): for ever. */
  keepMs: number | undefined;
  /** `RUNLEDGER_RETENTION_SWEEP_S`, default 600: about how often runs are looked for whose time is over. */
  sweepMs: number;
  /** `RUNLEDGER_RETENTION_BATCH`, default 200: runs that one sweep gives a tombstone at most. */
  batch: number;
}

const DAY_MS = 86_400_000;

/** @throws Error that names a variable which is no whole number in its range. */
export function readRetentionSettings(env: NodeJS.ProcessEnv = process.env): RetentionSettings {
  const days = wholeSetting(env, 'RUNLEDGER_RETENTION_DAYS', { fallback: 90, least: 0, most: 36_500 });
  return {
    keepMs: days === 0 ? undefined : days * DAY_MS,
    sweepMs:
      1_000 * wholeSetting(env, 'RUNLEDGER_RETENTION_SWEEP_S', { fallback: 600, least: 1, most: 86_400 }),
    batch: wholeSetting(env, 'RUNLEDGER_RETENTION_BATCH', { fallback: 200, least: 1, most: 10_000 }),
  };
}
