import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type Cell, startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { startScriptedModel, type Turn } from '../scripted-model.ts';
import { TreeAudit } from '../tree-audit.ts';
import { allEnded, checkLog, checkViews } from '../verdict.ts';
import { checkTrees } from './trees.ts';

const BRANCHES = 27;
const LEAVES = 36;
const RUNS = 1 + BRANCHES + BRANCHES * LEAVES;
const MODEL_MS = 400;

/** Row 22: one tree of 1,000 runs, most of them waiting for a slot of their tree, is stopped while its leaves work. */
export const bigTree: Drill = {
  name: 'big-tree',
  rows: '22',
  title: 'a tree of 1,000 runs, 16 of them at work and the others queued or parked, is stopped',
  async run({ cleanup, figures, say }) {
    const model = await startScriptedModel(cleanup, script);
    const cell = await startCell(cleanup, {
      replicas: { 'agent-executor': 3 },
      env: { RUNLEDGER_MODEL_BASE_URL: model.url, RUNLEDGER_MODEL_API_KEY: 'drill' },
    });
    await seed(cell);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const found = new TreeAudit();
    const audit = new LogAudit(cell.broker, found.take);
    const begun = performance.now();
    const root = await load.start({ agent_id: 'drill-big-root', input: {} }, true);
    await waitFor(
      async () => {
        await audit.read();
        return found.tree(root).length === RUNS && model.waiting('leaf') > 0;
      },
      {
        timeoutMs: 180_000,
        everyMs: 250,
        describe: () => `a tree of ${RUNS}; there are ${found.tree(root).length}`,
      },
    );
    const atWork = found.tree(root).filter((node) => node.held).length;
    figures.tell('grown in', `${((performance.now() - begun) / 1_000).toFixed(1)} s; ${atWork} runs held`);
    say(`a tree of ${RUNS} runs, ${atWork} of them held`);
    await (await cell.client()).stop(root, { reason: 'drill' });
    const stopped = [{ root, killed: false, at: Date.now() }];
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    say('the tree has ended');
    checkTrees(figures, 'the tree', stopped, found, RUNS);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    await checkViews(figures, cell, audit);
  },
};

/** A leaf calls a tool after each answer and is never done. */
function script(model: string, turn: number): Turn {
  if (model === 'leaf') return { afterMs: MODEL_MS, calls: [{ tool: 'clock', args: {} }] };
  if (turn > 0) return { afterMs: MODEL_MS, calls: [] };
  const call = (agent_id: string, times: number): Turn['calls'] =>
    Array.from({ length: times }, () => ({ tool: 'call_agent', args: { agent_id, input: {} } }));
  return {
    afterMs: 20,
    calls: model === 'big-root' ? call('drill-big-branch', BRANCHES) : call('drill-leaf', LEAVES),
  };
}

async function seed(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const nodes: [string, object][] = [
    ['big-root', { callable_agents: ['drill-big-branch'] }],
    ['big-branch', { callable_agents: ['drill-leaf'] }],
    ['leaf', { tools: [{ name: 'clock', kind: 'builtin' }] }],
  ];
  for (const [role, more] of nodes) {
    const agent = {
      agent_id: `drill-${role}`,
      name: `Drill, ${role}`,
      description: 'A node of a tree.',
      kind: 'llm',
      model: `custom/${role}`,
      limits: { max_turns: 1_000, timeout_s: 600 },
      ...more,
    };
    await agents.put(agentKey('local', agent.agent_id), JSON.stringify(agent));
  }
}
