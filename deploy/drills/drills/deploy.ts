import { setTimeout as pause } from 'node:timers/promises';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { type Job, Load, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import type { ServiceProcess } from '../service-process.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';
import { inFlight } from './services.ts';

const IN_FLIGHT = 50;
const ROUNDS = 2;
const MOST_REPLACED_S = 30;

/** Code that takes its time in steps, models, trees and tickers: all can be handed over at a boundary. */
const JOBS: readonly Job[] = [
  { agent_id: 'ticker', input: { count: 40, every_ms: 200 } },
  { agent_id: 'tree', input: { depth: 2, width: 2, count: 20, every_ms: 200 } },
  { agent_id: 'hello', input: { message: 'drill' } },
  { agent_id: 'ticker', input: { count: 60, every_ms: 150 } },
  { agent_id: 'hello-code', input: { message: 'drill' } },
  { agent_id: 'ticker', input: { count: 30, every_ms: 400 } },
];

/** A release: every service ends in order and comes back, one after the other, and nobody loses anything by it. */
export const deploy: Drill = {
  name: 'deploy',
  rows: '1',
  title: 'SIGTERM and replacement of every service, one by one, twice, with 50 runs in flight',
  async run({ cleanup, figures, say }) {
    const cell = await startCell(cleanup, { replicas: { 'agent-executor': 2 } });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    let handovers = 0;
    const parked = new Set<string>();
    const failed = new Set<string>();
    const audit = new LogAudit(cell.broker, (run, { type, data }) => {
      if (type === 'retry.scheduled') failed.add(`${run.agent_id} ${run.run_id}`);
      if (type !== 'run.parked' || data['reason'] !== 'handover') return;
      handovers += 1;
      parked.add(run.run_id);
    });
    const pressure = new Pressure(load, IN_FLIGHT + 15, async () => inFlight(await audit.read()), {
      jobs: JOBS,
    });
    await pressure.begin();
    let fewest = Infinity;
    const replaced: number[] = [];
    for (let round = 1; round <= ROUNDS; round += 1)
      for (const service of cell.processes) {
        await pause(500);
        fewest = Math.min(fewest, await pressure.atLeast(IN_FLIGHT));
        const began = performance.now();
        await replace(service);
        replaced.push(performance.now() - began);
        say(`round ${round} of ${ROUNDS}: ${service.name}, after ${Math.round(replaced.at(-1) ?? 0)} ms`);
      }
    await pressure.stop();
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    const all = [...audit.runs.values()];
    figures.atLeast('fewest runs in flight at a replacement', fewest, IN_FLIGHT);
    figures.tell('from SIGTERM to ready again', spread(replaced));
    figures.atMost('the longest', Math.max(...replaced) / 1_000, MOST_REPLACED_S, 's');
    figures.atLeast('handovers', handovers, 1);
    figures.tell('runs that were handed over', parked.size);
    figures.none(
      'attempts lost',
      all.filter((run) => run.lost > 0).map((run) => `${run.agent_id} ${run.run_id}`),
    );
    figures.none('attempts that failed', [...failed]);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

async function replace(service: ServiceProcess): Promise<void> {
  await service.end('SIGTERM');
  await service.start();
  await service.ready();
}
