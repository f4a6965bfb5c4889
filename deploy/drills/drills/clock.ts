import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type Cell, LEASE_S, type Name, SERVICES, startCell } from '../cell.ts';
import { Clocks } from '../clocks.ts';
import type { Drill, Figures } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { type Job, Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { CONTROLLED, mixedWith, People } from '../people.ts';
import { allEnded, checkLog, checkViews } from '../verdict.ts';

const HOUR_MS = 3_600_000;
const RUNS = 18;
const TIMED = 'drill-timed';
const TIMED_RUNS = 4;
const TICKS = { agent_id: 'ticker', input: { count: 60, every_ms: 100 } };
/** None has a time limit: those are of the wall clock. */
const JOBS: readonly Job[] = mixedWith([TICKS, ...CONTROLLED.slice(0, 3), TICKS]);
/** Hours that each process is ahead at first; a jump turns them all round. */
const AHEAD: Readonly<Record<Name, readonly number[]>> = {
  gateway: [-1],
  'run-scheduler': [1],
  'agent-executor': [1, -1],
  reconciler: [1],
};

interface Skew {
  /** In ms, as events are stamped against the broker's clock, which is right. */
  least: number;
  most: number;
}

/** Row 14: who holds what is no matter of the wall clock. */
export const clock: Drill = {
  name: 'clock',
  rows: '14',
  title:
    'the clock of every service is an hour off, some ahead and some behind, and jumps by two hours under load',
  async run({ cleanup, figures, say }) {
    const clocks = await Clocks.make(cleanup);
    const effects = await EffectsFile.make(cleanup);
    await setClocks(clocks, 1);
    const cell = await startCell(cleanup, {
      replicas: { 'agent-executor': 2 },
      env: { RUNLEDGER_EFFECTS_FILE: effects.path },
      envOf: (service, replica) => clocks.envOf(`${service}-${replica}`),
    });
    await seed(cell);
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const skew: Skew = { least: Infinity, most: -Infinity };
    const audit: LogAudit = new LogAudit(cell.broker, (run, line) => {
      people.take(run, line);
      const off = Date.parse(line.at) - (audit.storedAt.at(-1) ?? 0);
      skew.least = Math.min(skew.least, off);
      skew.most = Math.max(skew.most, off);
    });
    people.work(cell, audit);
    await startMany(load, RUNS);
    await startTimed(load);
    await waitFor(() => people.parked >= 2, { timeoutMs: 60_000, describe: 'runs that wait' });
    people.fault();
    await setClocks(clocks, -1);
    say('all clocks have jumped by two hours');
    await startMany(load, RUNS);
    await startTimed(load);
    await allEnded(figures, audit, 180_000);
    const lost = [...audit.runs.values()].filter((run) => run.lost > 0).map((run) => run.run_id);
    const takenOverS = await killOne(cell, load, audit);
    say(`its runs were taken over after ${takenOverS.toFixed(1)} s`);
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    checkClocks(figures, skew, audit);
    figures.none('attempts lost before anything was killed', lost);
    figures.atMost('from a kill to the last take-over', takenOverS, LEASE_S + 15, 's');
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    await checkViews(figures, cell, audit);
  },
};

async function setClocks(clocks: Clocks, sign: 1 | -1): Promise<void> {
  for (const name of SERVICES)
    for (const [replica, hours] of AHEAD[name].entries())
      await clocks.set(`${name}-${replica}`, sign * hours * HOUR_MS);
}

async function seed(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const timed = { kind: 'builtin', builtin: 'ticker', limits: { timeout_s: 120 } };
  await agents.put(
    agentKey('local', TIMED),
    JSON.stringify({ agent_id: TIMED, name: TIMED, description: 'Ticks for a second.', ...timed }),
  );
}

async function startMany(load: Load, runs: number): Promise<void> {
  await Promise.all(
    Array.from({ length: runs }, (_, index) =>
      load.start(JOBS[index % JOBS.length] ?? TICKS, index % 3 === 0),
    ),
  );
}

async function startTimed(load: Load): Promise<void> {
  for (let run = 0; run < TIMED_RUNS; run += 1)
    await load.start({ agent_id: TIMED, input: { count: 10, every_ms: 100 } });
}

/** Seconds by this process's clock, which is right, until each of its runs is held by the other executor. */
async function killOne(cell: Cell, load: Load, audit: LogAudit): Promise<number> {
  const ids = await Promise.all(Array.from({ length: 8 }, () => load.start(TICKS)));
  await waitFor(async () => (await audit.read()) && ids.every((id) => audit.runs.get(id)?.held), {
    timeoutMs: 60_000,
    everyMs: 50,
    describe: 'runs to be held',
  });
  const executors = cell.of('agent-executor');
  const names = await Promise.all(executors.map((one) => one.instance()));
  const holders = ids.map((id) => audit.runs.get(id)?.attempts.at(-1)?.executor);
  const index = names.findIndex((name) => holders.includes(name));
  const victim = executors[index];
  if (victim === undefined) throw new Error('nobody holds a run');
  const held = ids.filter((_, run) => holders[run] === names[index]);
  await victim.end('SIGKILL');
  const from = performance.now();
  await waitFor(
    async () =>
      (await audit.read()) &&
      held.every((id) => {
        const run = audit.runs.get(id);
        return run?.end !== undefined || (run?.attempts.length ?? 0) > 1;
      }),
    { timeoutMs: 120_000, everyMs: 100, describe: 'the runs of the killed executor to be taken over' },
  );
  const took = (performance.now() - from) / 1_000;
  await victim.start();
  await victim.ready();
  return took;
}

function checkClocks(figures: Figures, skew: Skew, audit: LogAudit): void {
  figures.atMost('events stamped behind the broker, most', skew.least / HOUR_MS, -0.99, 'h');
  figures.atLeast('events stamped ahead of it, most', skew.most / HOUR_MS, 0.99, 'h');
  const [timed, others] = [
    [...audit.runs.values()].filter((run) => run.agent_id === TIMED),
    [...audit.runs.values()].filter((run) => run.agent_id !== TIMED),
  ];
  figures.none(
    'runs without a time limit that ended otherwise than in success',
    others
      .filter((run) => run.end !== undefined && run.end !== 'run.succeeded')
      .map((run) => `${run.agent_id} ${run.run_id} ${run.end} ${JSON.stringify(run.error)}`),
  );
  const early = timed.filter((run) => run.end !== 'run.succeeded').length;
  figures.tell('runs of 1 s with a limit of 120 s that timed out', `${early} of ${timed.length}`);
}
