import { setTimeout as pause } from 'node:timers/promises';
import type { TestBroker } from '@runledger/testkit';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';
import { inFlight } from './services.ts';

const RUNS = 16;
const WRITE = [{ agent_id: 'ticker', input: { count: 100, every_ms: 50 } }];
/** The bound on a machine that does nothing else is 10 s. */
const MOST_GAP_S = 20;

/** Row 3: losing the leader is a pause for everybody who can wait. */
export const leader: Drill = {
  name: 'leader',
  rows: '3',
  title: 'kill -9 of the broker that leads the log, of three, under 16 writing runs',
  r3: 'only',
  async run({ cleanup, figures, say, long }) {
    const kills = long ? 10 : 3;
    const cell = await startCell(cleanup, { r3: true });
    const { cluster } = cell;
    if (cluster === undefined) throw new Error('there are no three brokers');
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    const pressure = new Pressure(load, RUNS, async () => inFlight(await audit.read()), {
      jobs: WRITE,
      watchEvery: 1,
    });
    await pressure.begin();
    const spans: { from: number; until: number }[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      await pause(2_000);
      const victim: TestBroker = await cluster.leaderOf('RUNS');
      const from = Date.now();
      await victim.kill();
      await load.start({ agent_id: 'burst', input: { count: 1, bytes: 10 } });
      await pause(1_000);
      spans.push({ from, until: Date.now() });
      say(`kill ${kill} of ${kills}: a start was taken ${Date.now() - from - 1_000} ms after the kill`);
      await victim.restart();
      await cluster.leaderOf('RUNS');
    }
    await pressure.stop();
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    const gaps = spans.map(({ from, until }) => audit.longestSilence(from, until) / 1_000);
    figures.tell('kills', kills);
    figures.tell('write gaps', gaps.map((gap) => `${gap.toFixed(1)} s`).join(', '));
    figures.atMost('the longest write gap', Math.max(...gaps), MOST_GAP_S, 's');
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};
