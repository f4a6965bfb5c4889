import { startService, type RunningService, type Settings } from '@runledger/service-host';
import { schedulerDefinition } from '@runledger/run-scheduler/module';
import { pino } from 'pino';
import { executorDefinition } from '../src/module.ts';
import type { Cell } from './cell.ts';

export interface ExecutorOptions extends Partial<Settings> {
  drainMs?: number;
}

/** The real service in this process, with a lease of one second. */
export function startExecutor(
  cell: Cell,
  { drainMs, ...settings }: ExecutorOptions = {},
): Promise<RunningService> {
  const definition = { ...executorDefinition, ...(drainMs === undefined ? {} : { drainMs }) };
  const logger = pino({ level: process.env.TEST_LOG ?? 'silent' });
  return startService(definition, { ...settingsFor(cell), ...settings }, { logger });
}

/** The real scheduler: it gives out work, tells parents of their children's ends, and fires timers. */
export function startScheduler(cell: Cell): Promise<RunningService> {
  const logger = pino({ level: process.env.TEST_LOG ?? 'silent' });
  return startService(schedulerDefinition, settingsFor(cell), { logger });
}

function settingsFor(cell: Cell): Settings {
  return {
    home: '/nonexistent',
    natsUrl: cell.server.url,
    port: 0,
    host: '127.0.0.1',
    opsPort: 0,
    leaseS: 1,
    slots: 8,
    pool: cell.pool,
    rootRuns: 256,
    rootRunsPerTenant: 10_000,
    rootRunsPerUser: 10,
    rootRunsPerAgent: 10_000,
    rootRunsPerKey: 1,
    secretKey: cell.secretKey,
    logLevel: 'warn',
    profile: 'local',
  };
}
