import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type AccountState, AccountWatch, inUse } from '../account-watch.ts';
import { type Cell, LEASE_S, startCell } from '../cell.ts';
import type { Drill, DrillContext, Figures } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { MoneyAudit } from '../money-audit.ts';
import { priceTable } from '../price-table.ts';
import { type ScriptedModel, startScriptedModel, type Turn } from '../scripted-model.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';

const CHILDREN = 20;
const TURNS = 3;
const EXECUTORS = 3;
const MODEL_MS = 400;
/** In millionths of a dollar: what an answer costs, and the tree's limit before and after the raise. */
const [ANSWER, FIRST, SECOND] = [30_000, 1_000_000, 2_000_000];
/** An answer has 5 tokens; at most 10 are reserved for, twice what it will cost. */
const PRICES = { 'custom/spender': { input: '0', output: '6000', max_output_tokens: 10 } };

interface Tree {
  root: string;
  /** Reservations of an executor at the moment at which it was killed: id to that moment, in ms since the epoch. */
  orphaned: Map<string, number>;
  /** What was in use when nobody could go on. */
  stuckAt: number;
  /** The account's revision then; every later state is one of the raised limit. */
  stuckRevision: number;
  kills: number;
}

interface Field {
  cell: Cell;
  load: Load;
  model: ScriptedModel;
  audit: LogAudit;
  money: MoneyAudit;
  /** Runs that are parked now. */
  parked: Set<string>;
  accounts: AccountWatch;
}

/** Promise of limits, with holders that die: what a tree has spent and reserved is never above its limit. */
export const budget: Drill = {
  name: 'budget',
  rows: '1, 24',
  title: '20 children race for 1.00 USD of their tree while executors are killed; then the limit is raised',
  async run(context) {
    const { cleanup, figures, long, say } = context;
    const model = await startScriptedModel(cleanup, script);
    const cell = await startCell(cleanup, {
      replicas: { 'agent-executor': EXECUTORS },
      env: {
        RUNLEDGER_MODEL_BASE_URL: model.url,
        RUNLEDGER_MODEL_API_KEY: 'drill',
        RUNLEDGER_MODEL_PRICES: await priceTable(cleanup, PRICES),
      },
    });
    await seed(cell);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const money = new MoneyAudit();
    const parked = new Set<string>();
    const audit = new LogAudit(cell.broker, (run, line) => {
      money.take(run, line);
      if (line.type === 'run.parked') parked.add(run.run_id);
      if (line.type === 'run.unparked' || line.type === 'run.started') parked.delete(run.run_id);
    });
    const accounts = await AccountWatch.on(cell.broker, cleanup);
    const field = { cell, load, model, audit, money, parked, accounts };
    const trees: Tree[] = [];
    const most = long ? 24 : 9;
    while (!enough(trees, long ? 12 : 3) && trees.length < most) {
      trees.push(await oneTree(context, field));
      say(`tree ${trees.length} has ended`);
    }
    await allEnded(figures, audit, 60_000);
    await load.observersDone(60_000);
    await accounts.read();
    check(figures, field, trees);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

/** How many kills hit a reservation is up to chance: trees are raced until enough did. */
function enough(trees: readonly Tree[], least: number): boolean {
  const kills = trees.reduce((sum, tree) => sum + tree.kills, 0);
  const orphans = trees.reduce((sum, tree) => sum + tree.orphaned.size, 0);
  return trees.length >= least && kills >= 2 * least && orphans >= 4 * least;
}

function script(model: string, turn: number): Turn {
  const more = model === 'spender' && turn + 1 < TURNS;
  return { afterMs: MODEL_MS * (0.5 + Math.random()), calls: more ? [{ tool: 'clock', args: {} }] : [] };
}

async function seed(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const agent = (agent_id: string, more: object): object => ({
    agent_id,
    name: agent_id,
    description: 'Spends the money of its tree.',
    ...more,
  });
  const call = `tools.callAgent('drill-spender', {})`;
  for (const [id, more] of [
    [
      'drill-racers',
      {
        kind: 'code',
        callable_agents: ['drill-spender'],
        limits: { max_cost_usd: FIRST / 1_000_000 },
        code: `export default (input, tools) => Promise.all(Array.from({ length: ${CHILDREN} }, () => ${call}));`,
      },
    ],
    ['drill-spender', { kind: 'llm', model: 'custom/spender', tools: [{ name: 'clock', kind: 'builtin' }] }],
  ] as const)
    await agents.put(agentKey('local', id), JSON.stringify(agent(id, more)));
}

async function oneTree({ say }: DrillContext, field: Field): Promise<Tree> {
  const { cell, load, audit } = field;
  const root = await load.start({ agent_id: 'drill-racers', input: {} }, true);
  const tree: Tree = { root, orphaned: new Map(), stuckAt: 0, stuckRevision: 0, kills: 0 };
  await killOne(field, tree, 3);
  await killOne(field, tree, 1);
  const stuck = await waitFor(() => stuckState(field, root), {
    timeoutMs: 90_000,
    everyMs: 200,
    describe: 'all of the tree to wait for a higher limit',
  });
  tree.stuckAt = inUse(stuck);
  tree.stuckRevision = stuck.revision;
  say(`${stuck.waiting.length} children wait, ${tree.stuckAt / 1_000_000} USD are spent`);
  const client = await cell.client();
  await client.raiseLimits(root, { max_cost_usd: SECOND / 1_000_000 });
  await killOne(field, tree, 1);
  await waitFor(async () => (await audit.read()).runs.get(root)?.end, {
    timeoutMs: 120_000,
    everyMs: 200,
    describe: `the tree ${root} to go on and end`,
  });
  return tree;
}

/** The account when nobody of the tree can go on before the limit is raised. */
async function stuckState(
  { accounts, audit, parked }: Field,
  root: string,
): Promise<AccountState | undefined> {
  await audit.read();
  const state = (await accounts.read()).of(root);
  const idle = state !== undefined && state.reserved.size === 0 && state.waiting.length > 0;
  return idle && audit.unended().every((run) => parked.has(run.run_id)) ? state : undefined;
}

/** Kills the executor that has the most reservations once it has so many, and starts it again; none when all wait. */
async function killOne(field: Field, tree: Tree, reservations: number): Promise<void> {
  const { accounts, audit, cell } = field;
  const executors = await Promise.all(
    cell.of('agent-executor').map(async (one) => ({ process: one, name: await one.instance() })),
  );
  const held = (name: string): string[] =>
    [...(accounts.of(tree.root)?.reserved.keys() ?? [])].filter((id) => {
      const [run = '', attempt] = id.split('.');
      const holder = audit.runs.get(run)?.attempts.find((one) => one.attempt === Number(attempt));
      return holder?.executor === name;
    });
  const victim = await waitFor(
    async () => {
      if ((await stuckState(field, tree.root)) !== undefined) return { process: undefined, name: '' };
      return executors.find(({ name }) => held(name).length >= reservations);
    },
    { timeoutMs: 60_000, everyMs: 10, describe: `an executor to have ${reservations} reservations` },
  );
  if (victim.process === undefined) return;
  await victim.process.end('SIGKILL');
  tree.kills += 1;
  const at = Date.now();
  await accounts.read();
  await audit.read();
  for (const id of held(victim.name)) tree.orphaned.set(id, at);
  await victim.process.start();
  await victim.process.ready();
}

function check(figures: Figures, { accounts, model, money, audit }: Field, trees: readonly Tree[]): void {
  const dollars = (amount: number): string => (amount / 1_000_000).toFixed(2);
  figures.tell('trees', `${trees.length} of 1 + ${CHILDREN} runs; the lease is ${LEASE_S} s`);
  figures.atLeast(
    'executors killed with reservations',
    trees.reduce((sum, tree) => sum + tree.kills, 0),
    6,
  );
  figures.atLeast('recorded states of accounts', accounts.states.length, 100 * trees.length);
  figures.exactly('of these not seen', accounts.missed, 0);
  const over: string[] = [];
  const fell: string[] = [];
  for (const tree of trees) {
    let limit = 0;
    for (const state of accounts.statesOf(tree.root)) {
      const may = state.revision <= tree.stuckRevision ? FIRST : SECOND;
      const where = `${tree.root}@${state.revision}`;
      if (inUse(state) > may || inUse(state) > state.limit) over.push(`${where}: ${dollars(inUse(state))}`);
      if (state.limit < limit || state.limit > may) fell.push(`${where}: ${dollars(state.limit)}`);
      limit = Math.max(limit, state.limit);
    }
  }
  figures.none('of these with more in use than the limit', over);
  figures.none('of these with a limit that fell or was not given', fell);
  figures.tell('spent when all waited', trees.map((tree) => dollars(tree.stuckAt)).join(', '));
  figures.atLeast('the least', Math.min(...trees.map((tree) => tree.stuckAt)) / 1_000_000, 0.9, 'USD');
  checkOrphans(figures, accounts, trees);
  const ends = trees.map(({ root }) => accounts.of(root));
  figures.none(
    'reservations left at the end',
    ends.flatMap((state) => [...(state?.reserved.keys() ?? [])]),
  );
  const spent = ends.reduce((sum, state) => sum + (state?.spent ?? 0), 0);
  const logged = trees.reduce((sum, { root }) => sum + (money.spent.get(root) ?? 0), 0);
  figures.tell('spent at the end', ends.map((state) => dollars(state?.spent ?? 0)).join(', '));
  figures.exactly('recorded answers', logged / ANSWER, trees.length * CHILDREN * TURNS);
  figures.atLeast('USD in accounts, against recorded answers', spent / 1_000_000, logged / 1_000_000);
  const asked = (model.requests.length * ANSWER) / 1_000_000;
  figures.atMost('USD in accounts, against what the model was asked', spent / 1_000_000, asked);
  figures.tell('model calls', model.requests.length);
  const waited = [...audit.runs.values()].filter((run) => run.attempts.length > 1).length;
  figures.tell('runs begun more than once', waited);
}

/** A reservation of a dead executor goes back to the tree: no state of the account has it for ever. */
function checkOrphans(figures: Figures, accounts: AccountWatch, trees: readonly Tree[]): void {
  const orphans = trees.flatMap(({ root, orphaned }) => [...orphaned].map(([id, at]) => ({ root, id, at })));
  const back = ({ root, id, at }: (typeof orphans)[number]): number | undefined => {
    const free = accounts.statesOf(root).find((state) => state.at > at && !state.reserved.has(id));
    return free === undefined ? undefined : free.at - at;
  };
  const took = orphans.map(back);
  figures.atLeast('reservations of killed executors', orphans.length, 12);
  figures.none(
    'of these that never came back',
    orphans.filter((_, index) => took[index] === undefined).map(({ id }) => id),
  );
  figures.tell('until they were back', spread(took.filter((ms) => ms !== undefined)));
}
