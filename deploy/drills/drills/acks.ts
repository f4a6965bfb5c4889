import { AckThief } from '../ack-thief.ts';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { mixedWith, People } from '../people.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const SHARE = 0.1;
/** Short ones: each commit in ten takes five seconds to be found again. */
const JOBS = mixedWith([
  { agent_id: 'ticker', input: { count: 12, every_ms: 50 } },
  { agent_id: 'burst', input: { count: 100, bytes: 300 } },
  { agent_id: 'hello', input: { message: 'drill' } },
  { agent_id: 'ticker', input: { count: 20, every_ms: 20 } },
  { agent_id: 'hello-code', input: { message: 'drill' } },
]);

/** Row 5: what was stored and not confirmed is found again, and never taken for somebody else's. */
export const acks: Drill = {
  name: 'acks',
  rows: '5',
  title: 'one publish acknowledgement in ten never arrives at a service',
  r3: 'too',
  async run({ cleanup, figures, say, r3, long }) {
    const runs = long ? 300 : 80;
    const thief = new AckThief(cleanup, SHARE);
    const effects = await EffectsFile.make(cleanup);
    const cell = await startCell(cleanup, {
      r3,
      env: { RUNLEDGER_EFFECTS_FILE: effects.path },
      through: (_service, url) => thief.through(url),
    });
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker, people.take);
    people.work(cell, audit);
    const faults = setInterval(() => people.fault(), 500);
    cleanup.add('faults', () => clearInterval(faults));
    const started = Array.from({ length: runs }, (_, index) =>
      load.start(JOBS[index % JOBS.length] ?? { agent_id: 'hello', input: {} }, index % 4 === 0),
    );
    await Promise.all(started);
    say(`${runs} runs were started; ${thief.swallowed} acknowledgements have disappeared`);
    await allEnded(figures, audit, 420_000);
    thief.retire();
    await load.observersDone(60_000);
    figures.tell('acknowledgements', thief.acks);
    figures.atLeast('of these disappeared', thief.swallowed, 20);
    figures.tell("a leader's answers that disappeared", thief.readsSwallowed);
    figures.atLeast('commits of runs never confirmed', thief.silenced.size, 10);
    figures.atLeast("10071 for the writer's own commit", thief.refusedOwn.size, 1);
    figures.none(
      'of these not in the log exactly once',
      [...thief.refusedOwn].filter((id) => !audit.hasCommit(id)),
    );
    figures.none(
      'unconfirmed commits not in the log',
      [...thief.silenced].filter((id) => !audit.hasCommit(id)),
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};
