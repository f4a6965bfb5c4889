import { setTimeout as pause } from 'node:timers/promises';
import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type Cell, LEASE_S, startCell } from '../cell.ts';
import type { Drill, DrillContext, Figures } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { type ScriptedModel, startScriptedModel, type Turn } from '../scripted-model.ts';
import { type Node, TreeAudit } from '../tree-audit.ts';
import { allEnded, checkLog, checkViews, spread } from '../verdict.ts';

const BRANCHES = 5;
const LEAVES = 2;
const RUNS = 1 + BRANCHES + BRANCHES * LEAVES;
/** Trees that are in flight together. */
const AT_ONCE = 4;
const MODEL_MS = 400;
const EXECUTORS = 3;
/** What a stop may take besides the call in flight and, where an executor dies, the lease. */
const GRACE_S = 10;
const MARGIN_S = 5;
const ROOT = { agent_id: 'drill-root', input: {} };

export interface Stopped {
  root: string;
  killed: boolean;
  /** When the stop was acknowledged, in ms since the epoch. */
  at: number;
}

/** Row 22: a stop of the root reaches the whole tree, whoever dies meanwhile, and nothing begins after it. */
export const trees: Drill = {
  name: 'trees',
  rows: '22',
  title: 'trees of 16 runs are stopped during model calls, some while two executors are killed',
  r3: 'too',
  async run(context) {
    const { cleanup, figures, say, long } = context;
    const model = await startScriptedModel(cleanup, script);
    const cell = await startCell(cleanup, {
      r3: context.r3,
      replicas: { 'agent-executor': EXECUTORS },
      env: { RUNLEDGER_MODEL_BASE_URL: model.url, RUNLEDGER_MODEL_API_KEY: 'drill' },
    });
    await seedTree(cell);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const found = new TreeAudit();
    const audit = new LogAudit(cell.broker, found.take);
    const calm = await stopTrees(context, { cell, load, model, audit, found }, 100, false);
    const hurt = await stopTrees(context, { cell, load, model, audit, found }, long ? 100 : 20, true);
    await allEnded(figures, audit, 60_000);
    await load.observersDone(60_000);
    say('all trees have ended');
    checkTrees(figures, 'trees', calm, found);
    checkTrees(figures, 'trees with two executors killed', hurt, found);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    await checkViews(figures, cell, audit);
  },
};

/** The root calls the branches, a branch its leaves; a leaf calls a tool after each answer and is never done. */
function script(model: string, turn: number): Turn {
  const call = (agent_id: string, times: number): Turn['calls'] =>
    Array.from({ length: times }, () => ({ tool: 'call_agent', args: { agent_id, input: {} } }));
  if (model === 'leaf') return { afterMs: MODEL_MS, calls: [{ tool: 'clock', args: {} }] };
  if (turn > 0) return { afterMs: MODEL_MS, calls: [] };
  return {
    afterMs: 20,
    calls: model === 'root' ? call('drill-branch', BRANCHES) : call('drill-leaf', LEAVES),
  };
}

async function seedTree(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const node = (role: string, more: object): object => ({
    agent_id: `drill-${role}`,
    name: `Drill, ${role}`,
    description: 'A node of a tree.',
    kind: 'llm',
    model: `custom/${role}`,
    limits: { max_turns: 1_000, timeout_s: 600 },
    ...more,
  });
  for (const agent of [
    node('root', { callable_agents: ['drill-branch'] }),
    node('branch', { callable_agents: ['drill-leaf'] }),
    node('leaf', { tools: [{ name: 'clock', kind: 'builtin' }] }),
  ])
    await agents.put(agentKey('local', (agent as { agent_id: string }).agent_id), JSON.stringify(agent));
}

interface Field {
  cell: Cell;
  load: Load;
  model: ScriptedModel;
  audit: LogAudit;
  found: TreeAudit;
}

async function stopTrees(
  { say }: DrillContext,
  field: Field,
  trees: number,
  killed: boolean,
): Promise<Stopped[]> {
  const { cell, audit } = field;
  const stopped: Stopped[] = [];
  while (stopped.length < trees) {
    const roots = await grow(field, Math.min(AT_ONCE, trees - stopped.length));
    const client = await cell.client();
    const victims = killed ? cell.of('agent-executor').slice(0, 2) : [];
    // Some die before the stop is stored, some after.
    await Promise.all([
      ...roots.map(async (root) => {
        await client.stop(root, { reason: 'drill' });
        stopped.push({ root, killed, at: Date.now() });
      }),
      ...victims.map(async (victim) => {
        await pause(Math.random() * 40);
        await victim.end('SIGKILL');
      }),
    ]);
    for (const victim of victims) await victim.start();
    await waitFor(
      async () =>
        (await audit.read()).unended().every((run) => !roots.includes(rootOf(field.found, run.run_id))),
      { timeoutMs: 90_000, everyMs: 300, describe: `the trees to end: ${roots.join(', ')}` },
    );
    for (const victim of victims) await victim.ready();
    say(`${stopped.length} of ${trees} trees have stopped${killed ? ', with two executors killed' : ''}`);
  }
  return stopped;
}

const rootOf = (found: TreeAudit, runId: string): string => found.nodes.get(runId)?.root ?? '';

/** Starts so many trees; resolves when every one is whole and leaves wait for their model. */
async function grow({ load, model, audit, found }: Field, trees: number): Promise<string[]> {
  const roots = await Promise.all(Array.from({ length: trees }, (_, tree) => load.start(ROOT, tree === 0)));
  await waitFor(
    async () => {
      await audit.read();
      const begun = roots.every(
        (root) => found.tree(root).filter((node) => node.begun.length > 0).length === RUNS,
      );
      return begun && model.waiting('leaf') >= trees;
    },
    {
      timeoutMs: 60_000,
      everyMs: 100,
      describe: () =>
        `trees of ${RUNS}; there are ${roots.map((root) => found.tree(root).length).join(', ')}`,
    },
  );
  return roots;
}

export function checkTrees(
  figures: Figures,
  what: string,
  stopped: readonly Stopped[],
  found: TreeAudit,
  runs = RUNS,
): void {
  const all = stopped.map((one) => ({ ...one, nodes: found.tree(one.root) }));
  const nodes = all.flatMap((one) => one.nodes);
  const stopOf = (node: Node): number => found.nodes.get(node.root)?.stopRequested ?? 0;
  const names = (list: readonly Node[]): string[] => list.map((node) => `${node.agent_id} ${node.run_id}`);
  const first = (node: Node): number => node.begun[0] ?? 0;
  const tookS = all.map(({ at, nodes: own }) => Math.max(...own.map((node) => node.endedAt - at)) / 1_000);
  const killed = stopped.some((one) => one.killed);
  figures.tell(what, `${stopped.length}, ${nodes.length} runs`);
  figures.none(
    `${what}: not of ${runs} runs`,
    all.filter((one) => one.nodes.length !== runs).map((one) => `${one.root} has ${one.nodes.length}`),
  );
  figures.none(
    `${what}: runs that did not end as stopped`,
    names(nodes.filter((node) => node.end !== 'run.stopped')),
  );
  figures.none(
    `${what}: without ${runs} receipts, one of each run`,
    all
      .filter(({ nodes: own }) => own.filter((node) => node.receipts === 1).length !== runs)
      .map((one) => `${one.root} has ${one.nodes.map((node) => node.receipts).join(' ')}`),
  );
  const receipts = nodes.reduce((sum, node) => sum + node.receipts, 0);
  figures.tell(
    `${what}: receipts`,
    `${receipts}, ${nodes.filter((node) => node.unheld).length} of them of runs that nobody held`,
  );
  figures.atLeast(
    `${what}: model answers between stop and receipt`,
    nodes.reduce((sum, node) => sum + node.answersAfterStop, 0),
    stopped.length,
  );
  figures.tell(
    `${what}: tool calls recorded`,
    nodes.reduce((sum, node) => sum + node.calls, 0),
  );
  figures.none(`${what}: steps after a receipt`, names(nodes.filter((node) => node.callsAfterReceipt > 0)));
  figures.none(
    `${what}: runs requested after the stop`,
    names(nodes.filter((node) => node.requested > stopOf(node))),
  );
  figures.none(
    `${what}: runs first begun after the stop`,
    names(nodes.filter((node) => first(node) > stopOf(node))),
  );
  figures.tell(`${what}: from the stop's answer to the last end`, spread(tookS.map((s) => s * 1_000)));
  const most = GRACE_S + MARGIN_S + (killed ? LEASE_S + MARGIN_S : 0);
  figures.atMost(`${what}: the longest`, Math.max(...tookS), most, 's');
}
