import { setTimeout as pause } from 'node:timers/promises';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { CONTROLLED, People } from '../people.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';
import { inFlight } from './services.ts';

const RUNS = 16;
const CONTROLLED_RUNS = 12;
const WRITE = [{ agent_id: 'ticker', input: { count: 150, every_ms: 30 } }];

/** Row 2: the broker dies under writers, again and again, and comes back on the same store. */
export const broker: Drill = {
  name: 'broker',
  rows: '2',
  title: 'kill -9 of the only broker under 16 writing runs, and 12 with trees, money and pauses',
  async run({ cleanup, figures, say, long }) {
    const kills = long ? 24 : 8;
    const effects = await EffectsFile.make(cleanup);
    const cell = await startCell(cleanup, { env: { RUNLEDGER_EFFECTS_FILE: effects.path } });
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker, people.take);
    people.work(cell, audit);
    const controlled = new Pressure(load, CONTROLLED_RUNS, async () => inFlight(await audit.read()), {
      jobs: CONTROLLED,
    });
    const pressure = new Pressure(load, RUNS, async () => inFlight(await audit.read()), {
      jobs: WRITE,
      watchEvery: 1,
    });
    await pressure.begin();
    await controlled.begin();
    const back: number[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      await pause(500 + Math.random() * 1_500);
      people.fault();
      await cell.server.restart();
      const healthy = performance.now();
      await load.start({ agent_id: 'burst', input: { count: 1, bytes: 10 } });
      back.push(performance.now() - healthy);
      say(
        `kill ${kill} of ${kills}: a start was taken ${Math.round(back.at(-1) ?? 0)} ms after the broker was back`,
      );
    }
    await Promise.all([pressure.stop(), controlled.stop()]);
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    figures.tell('kills', kills);
    figures.tell('from the broker to the first start', spread(back));
    figures.atMost('the longest', Math.max(...back) / 1_000, 15, 's');
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    figures.none(
      'attempts lost',
      [...audit.runs.values()].filter((run) => run.lost > 0).map((run) => run.run_id),
    );
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};
