import { waitFor } from '@runledger/testkit';
import { workSubject } from '@runledger/wire';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, DrillContext } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';

const LIMIT = 10;
const STRANDED = 6;
const RESCUED = /a stranded run is back on the work queue/;

/** Row 23: three of each service together do what one does. */
export const replicas: Drill = {
  name: 'replicas',
  rows: '23',
  title: 'three of each service at once; then runs are stranded for three reconcilers to find',
  r3: 'too',
  async run(context) {
    const { cleanup, figures, say, r3, long } = context;
    const runs = long ? 1_000 : 150;
    const cell = await startCell(cleanup, {
      r3,
      replicas: { gateway: 3, 'run-scheduler': 3, 'agent-executor': 3, reconciler: 3 },
      env: { RUNLEDGER_ROOT_RUNS_PER_USER: String(LIMIT) },
    });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    const jobs = [
      { agent_id: 'burst', input: { count: 20, bytes: 100 } },
      { agent_id: 'ticker', input: { count: 5, every_ms: 50 } },
      // Long enough that the limit is reached however slowly runs are admitted.
      { agent_id: 'ticker', input: { count: 20, every_ms: 150 } },
    ];
    for (let first = 0; first < runs; first += 25)
      await Promise.all(
        Array.from({ length: Math.min(25, runs - first) }, (_, index) =>
          load.start(jobs[index % jobs.length] ?? { agent_id: 'hello', input: {} }, index % 5 === 0),
        ),
      );
    say(`${runs} runs were started through three gateways`);
    await allEnded(figures, audit, 180_000);
    figures.exactly(
      `most runs of the user at once (limit ${LIMIT})`,
      audit.mostRunning.get('local.dev') ?? 0,
      LIMIT,
    );
    figures.exactly('attempts per run, all added up', audit.attempts, audit.runs.size);
    figures.tell('executors that had work', new Set(audit.executors).size);
    await strand(context, cell, load, audit);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

/** Takes the work messages of running runs away and kills their holders: nobody is left who would take them over. */
async function strand(
  { figures, say }: DrillContext,
  cell: Cell,
  load: Load,
  audit: LogAudit,
): Promise<void> {
  const job = { agent_id: 'ticker', input: { count: 30, every_ms: 300 } };
  const ids = await Promise.all(Array.from({ length: STRANDED }, () => load.start(job, true)));
  await waitFor(
    async () => {
      const { runs } = await audit.read();
      return ids.every((id) => (runs.get(id)?.last_seq ?? 0) > 4);
    },
    { timeoutMs: 60_000, everyMs: 200, describe: 'the runs to be under way' },
  );
  const { streams } = await cell.broker.jsm();
  await Promise.all(cell.of('agent-executor').map((process) => process.end('SIGKILL')));
  for (const id of ids) {
    const message = await streams.getMessage('WORK', { last_by_subj: workSubject('default', 'local', id) });
    if (message) await streams.deleteMessage('WORK', message.seq);
  }
  await Promise.all(cell.of('agent-executor').map((process) => process.start()));
  const begun = performance.now();
  say(`${STRANDED} runs are stranded`);
  await allEnded(figures, audit, 180_000);
  await load.observersDone(60_000);
  const said = cell
    .of('reconciler')
    .flatMap((process) => process.output.split('\n').filter((line) => RESCUED.test(line)));
  const rescues = ids.map((id) => said.filter((line) => line.includes(id)).length);
  figures.tell('stranded runs ended after', `${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  figures.exactly('stranded runs', ids.length, STRANDED);
  figures.none(
    'not rescued exactly once',
    ids.filter((_, index) => rescues[index] !== 1).map((id) => `${id} ${rescues[ids.indexOf(id)]}x`),
  );
  const theirs = ids.map((id) => audit.runs.get(id)?.attempts ?? []);
  figures.none(
    'without exactly two attempts',
    ids.filter((_, index) => theirs[index]?.length !== 2),
  );
  figures.tell(
    'silence until they were taken over',
    spread(theirs.flatMap((all) => all.slice(1).map((one) => one.silence_ms))),
  );
}
