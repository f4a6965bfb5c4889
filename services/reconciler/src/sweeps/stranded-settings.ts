export interface StrandedSettings {
  /** `RUNLEDGER_STRANDED_SWEEP_S`, default 30: about how often runs are looked for that have lost their work message. */
  sweepMs: number;
  /** `RUNLEDGER_STRANDED_AFTER_S`, default four leases, at least 60: how long such a run must have been without an event. */
  idleMs: number;
}

const MOST_S = 86_400;

/** @throws Error that names a variable which is no whole number of seconds. */
export function readStrandedSettings(leaseS: number, env: NodeJS.ProcessEnv = process.env): StrandedSettings {
  return {
    sweepMs: 1_000 * seconds(env, 'RUNLEDGER_STRANDED_SWEEP_S', 30),
    idleMs: 1_000 * seconds(env, 'RUNLEDGER_STRANDED_AFTER_S', Math.max(60, 4 * leaseS)),
  };
}

function seconds(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]?.trim();
  if (!text) return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MOST_S) return value;
  throw new Error(`${name} must be a whole number of seconds from 1 to ${MOST_S}, not "${text}"`);
}
