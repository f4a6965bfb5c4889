const DEFAULT_S = 60;
const MOST_S = 86_400;

/**
 * `RUNLEDGER_SCHEDULE_SWEEP_S`, default 60: about how often schedules are looked for that have lost their timer. In ms.
 * @throws Error that names the variable when it is no whole number of seconds.
 */
export function readScheduleSweepMs(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.RUNLEDGER_SCHEDULE_SWEEP_S?.trim();
  if (!text) return DEFAULT_S * 1_000;
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MOST_S) return value * 1_000;
  throw new Error(
    `RUNLEDGER_SCHEDULE_SWEEP_S must be a whole number of seconds from 1 to ${MOST_S}, not "${text}"`,
  );
}
