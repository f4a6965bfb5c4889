import { setTimeout as pause } from 'node:timers/promises';
import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, Figures } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { allEnded, checkLog, checkViews, share, spread } from '../verdict.ts';

const CAP = 1_000;
/** Progress ends so many commits before the cap, so that the end fits. */
const RESERVE = 100;
const HEALTHY = { agent_id: 'hello', input: { message: 'drill' } };
const PROBES = 20;
const ENDLESS = ['drill-ticks', 'drill-steps', 'drill-turns'] as const;

/** Row 13: an agent in a loop ends at the cap of its run's log, and costs others nothing but its share. */
export const runCap: Drill = {
  name: 'run-cap',
  rows: '13',
  title: `agents that never stop to report, where the log takes ${CAP} commits of a run`,
  async run({ cleanup, figures, long, say }) {
    const times = long ? 6 : 2;
    const cell = await startCell(cleanup, { commitsPerRun: CAP });
    await seed(cell);
    const load = await Load.on(cell);
    const others = await Load.on(cell, 'somebody-else');
    cleanup.add('load', () => {
      load.stop();
      others.stop();
    });
    const commits = new Map<string, Set<number>>();
    const used = new Map<string, string>();
    const audit = new LogAudit(cell.broker, (run, { type, data }, order) => {
      commits.set(run.run_id, (commits.get(run.run_id) ?? new Set()).add(order));
      if (type === 'limit.reached') used.set(run.run_id, `${String(data['limit'])} ${String(data['used'])}`);
    });
    const calm = await probe(others, audit);
    const ids: string[] = [];
    for (const agent_id of ENDLESS)
      for (let time = 0; time < times; time += 1)
        ids.push(await load.start({ agent_id, input: {} }, time === 0));
    await waitFor(async () => (await audit.read()) && ids.every((id) => (commits.get(id)?.size ?? 0) > 10), {
      timeoutMs: 60_000,
      everyMs: 100,
      describe: 'every endless run to be at work',
    });
    say(`${ids.length} endless runs are at work`);
    const beside = await probe(others, audit);
    await allEnded(figures, audit, 300_000);
    await load.observersDone(60_000);
    await others.observersDone(10_000);
    checkCaps(figures, { audit, ids, commits, used });
    figures.tell('a run of somebody else, before', spread(calm));
    figures.tell('the same beside them', spread(beside));
    figures.atMost('its p99', share(beside, 0.99) / 1_000, 15, 's');
    figures.none(
      'runs of somebody else that did not succeed',
      [...audit.runs.values()]
        .filter(({ run_id, end }) => !ids.includes(run_id) && end !== 'run.succeeded')
        .map(({ run_id, end }) => `${run_id} ${end}`),
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    await checkViews(figures, cell, audit);
  },
};

async function seed(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const loop = (body: string): string =>
    `export default async (input, tools) => { for (let i = 0; ; i += 1) ${body} };`;
  for (const [agent_id, more] of [
    ['drill-ticks', { kind: 'code', code: loop('await tools.milestone("tick " + i);') }],
    ['drill-steps', { kind: 'code', code: loop('await tools.step("step " + i, {}, () => i);') }],
    ['drill-turns', { kind: 'code', model: 'offline/echo', code: loop('await tools.callLlm("turn " + i);') }],
  ] as const) {
    const agent = { agent_id, name: agent_id, description: 'Never stops.', ...more };
    await agents.put(agentKey('local', agent_id), JSON.stringify(agent));
  }
}

/** Milliseconds from the start of a short run to its end, one after the other. */
async function probe(load: Load, audit: LogAudit): Promise<number[]> {
  const took: number[] = [];
  for (let count = 0; count < PROBES; count += 1) {
    const from = performance.now();
    const id = await load.start(HEALTHY);
    await waitFor(async () => (await audit.read()).runs.get(id)?.end, {
      timeoutMs: 60_000,
      everyMs: 20,
      describe: 'a run of somebody else to end',
    });
    took.push(performance.now() - from);
    await pause(50);
  }
  return took;
}

interface Found {
  audit: LogAudit;
  ids: readonly string[];
  commits: ReadonlyMap<string, ReadonlySet<number>>;
  used: ReadonlyMap<string, string>;
}

function checkCaps(figures: Figures, { audit, ids, commits, used }: Found): void {
  const counts = ids.map((id) => commits.get(id)?.size ?? 0);
  const run = (id: string): string => `${audit.runs.get(id)?.agent_id} ${id}`;
  const code = (id: string): string | undefined =>
    (audit.runs.get(id)?.error as { code?: string } | undefined)?.code;
  figures.exactly('endless runs', ids.length, counts.length);
  figures.none(
    'of these that did not end with log_limit_reached',
    ids.filter((id) => code(id) !== 'log_limit_reached').map((id) => `${run(id)} ${code(id)}`),
  );
  figures.none(
    'of these without limit.reached',
    ids.filter((id) => !used.get(id)?.startsWith('commits ')).map(run),
  );
  figures.atMost('the most commits of one', Math.max(...counts), CAP);
  figures.atLeast('the fewest', Math.min(...counts), CAP - RESERVE);
  figures.tell('commits of each', [...new Set(counts)].toSorted((a, b) => a - b).join(', '));
}
