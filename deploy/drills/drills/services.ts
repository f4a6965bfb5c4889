import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import { type Cell, LEASE_S, startCell } from '../cell.ts';
import type { Drill, DrillContext } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load, MIX, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { mixedWith, People } from '../people.ts';
import { allEnded, checkLog, checkSuccess, checkViews, share, spread } from '../verdict.ts';

const IN_FLIGHT = 50;

interface Victim {
  name: string;
  /** SIGKILL, a new start, and the moment at which it is ready again. */
  replace: () => Promise<void>;
}

/** Row 1: whoever dies, nothing that was acknowledged is lost and everything that was started ends. */
export const services: Drill = {
  name: 'services',
  rows: '1',
  r3: 'too',
  title:
    'kill -9 of service processes and the broker in turn, with 50 runs in flight, trees, money and parked runs among them',
  async run(context) {
    const { cleanup, figures, say } = context;
    const effects = await EffectsFile.make(cleanup);
    const cell = await startCell(cleanup, {
      r3: context.r3,
      replicas: { 'agent-executor': 2 },
      env: { RUNLEDGER_EFFECTS_FILE: effects.path },
    });
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker, people.take);
    people.work(cell, audit);
    const pressure = new Pressure(load, IN_FLIGHT + 15, async () => inFlight(await audit.read()), {
      jobs: mixedWith(MIX),
    });
    await pressure.begin();
    say(`${IN_FLIGHT} runs are in flight`);
    const recoveries = await killInTurn(context, cell, pressure, people);
    await pressure.stop();
    await allEnded(figures, audit, 180_000);
    await load.observersDone(60_000);
    figures.tell('killed process ready again', spread(recoveries));
    const takeovers = [...audit.runs.values()].flatMap((run) => run.attempts.filter((one) => one.takeover));
    figures.atLeast('runs taken over by another executor', takeovers.length, 1);
    const silences = takeovers.map((one) => one.silence_ms);
    figures.tell('silence of a run before it was taken over', spread(silences));
    figures.atMost('its p99', share(silences, 0.99) / 1_000, LEASE_S + 15, 's');
    figures.tell('lease', `${LEASE_S} s`);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

export const inFlight = (audit: LogAudit): ReadonlySet<string> =>
  new Set(audit.unended().map((run) => run.run_id));

async function killInTurn(
  { say, figures, long }: DrillContext,
  cell: Cell,
  pressure: Pressure,
  people: People,
): Promise<number[]> {
  const kills = long ? 100 : 20;
  let fewest = Infinity;
  const order = victims(cell);
  const recoveries: number[] = [];
  const counts = new Map<string, number>();
  for (let kill = 0; kill < kills; kill += 1) {
    const victim = order[kill % order.length];
    if (victim === undefined) throw new Error('nobody to kill');
    await pause(500 + Math.random() * 1_000);
    fewest = Math.min(fewest, await pressure.atLeast(IN_FLIGHT));
    people.fault();
    const begun = performance.now();
    await victim.replace();
    recoveries.push(performance.now() - begun);
    counts.set(victim.name, (counts.get(victim.name) ?? 0) + 1);
    say(`kill ${kill + 1} of ${kills}: ${victim.name}, ready after ${Math.round(recoveries.at(-1) ?? 0)} ms`);
  }
  figures.tell('killed', [...counts].map(([name, count]) => `${count} ${name}`).join(', '));
  figures.atLeast('fewest runs in flight at a kill', fewest, IN_FLIGHT);
  return recoveries;
}

function victims(cell: Cell): Victim[] {
  const processes = cell.processes.map((process) => ({
    name: process.name,
    replace: async () => {
      await process.end('SIGKILL');
      await process.start();
      await process.ready();
    },
  }));
  const brokers = cell.servers.map((server) => ({
    name: 'broker',
    replace: async () => {
      await server.restart();
      await waitFor(
        async () => (await Promise.all(cell.processes.map((one) => one.ask('/readyz')))).every(isOk),
        {
          timeoutMs: 60_000,
          everyMs: 100,
          describe: 'every service to be ready after the broker is back',
        },
      );
    },
  }));
  return [...processes, ...brokers];
}

const isOk = (status: number): boolean => status === 200;
