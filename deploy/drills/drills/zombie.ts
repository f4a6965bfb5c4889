import { setTimeout as pause } from 'node:timers/promises';
import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey, holderSubject } from '@runledger/wire';
import { type Cell, LEASE_S, startCell } from '../cell.ts';
import type { Drill, DrillContext, Figures } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { EpochAudit } from '../epoch-audit.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { type ScriptedModel, startScriptedModel, type Turn } from '../scripted-model.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';

const RUNS = 12;
const TURNS = 12;
const MODEL_MS = 700;
const STOPPED_MS = 3 * LEASE_S * 1_000;
const JOBS = [
  { agent_id: 'drill-talker', input: {} },
  { agent_id: 'drill-coder', input: {} },
  { agent_id: 'ticker', input: { count: 100, every_ms: 100 } },
];

interface Field {
  cell: Cell;
  load: Load;
  audit: LogAudit;
  epochs: EpochAudit;
  /** By replica: what each executor does shows at endpoints of its own. */
  models: readonly ScriptedModel[];
  effects: readonly EffectsFile[];
}

interface Round {
  /** Runs that the stopped executor held. */
  held: string[];
  heldUntilMs: number;
  modelCallsAfter: number;
  /** Of calls that it had not begun before it was stopped. */
  newEffectsAfter: string[];
  /** Of calls that were in flight when it was stopped. */
  lateEffects: number;
}

/** Row 7: a holder that was away longer than its lease finds out that it is none. */
export const zombie: Drill = {
  name: 'zombie',
  rows: '7',
  title: 'SIGSTOP of an executor for three lease times, then SIGCONT, while it waits for models and tools',
  r3: 'too',
  async run(context) {
    const { cleanup, figures, long } = context;
    const models = await Promise.all([1, 2].map(() => startScriptedModel(cleanup, script)));
    const effects = await Promise.all([1, 2].map(() => EffectsFile.make(cleanup)));
    const cell = await startCell(cleanup, {
      r3: context.r3,
      replicas: { 'agent-executor': 2 },
      envOf: (service, replica): Record<string, string> =>
        service === 'agent-executor'
          ? {
              RUNLEDGER_MODEL_BASE_URL: models[replica]?.url ?? '',
              RUNLEDGER_MODEL_API_KEY: 'drill',
              RUNLEDGER_EFFECTS_FILE: effects[replica]?.path ?? '',
            }
          : {},
    });
    await seed(cell);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const epochs = new EpochAudit();
    const audit = new LogAudit(cell.broker, epochs.take);
    const field = { cell, load, audit, epochs, models, effects };
    const rounds: Round[] = [];
    for (let round = 0; round < (long ? 8 : 2); round += 1)
      rounds.push(await oneRound(context, field, round % 2));
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    check(figures, field, rounds);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

const TOOL = { tool: 'slow_effect_once', args: { ms: 200 } };

function script(model: string, turn: number): Turn {
  return { afterMs: MODEL_MS, calls: model === 'talker' && turn < TURNS ? [TOOL] : [] };
}

async function seed(cell: Cell): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  const agent = (agent_id: string, more: object): object => ({
    agent_id,
    name: agent_id,
    description: 'Asks a model and calls a tool, again and again.',
    tools: [{ name: TOOL.tool, kind: 'builtin' }],
    ...more,
  });
  const code = `export default async (input, tools) => {
    for (let turn = 0; turn < ${TURNS}; turn += 1) {
      await tools.callLlm('turn ' + turn);
      await tools.callTool('${TOOL.tool}', ${JSON.stringify(TOOL.args)});
    }
  };`;
  for (const [id, more] of [
    ['drill-talker', { kind: 'llm', model: 'custom/talker' }],
    ['drill-coder', { kind: 'code', model: 'custom/coder', code }],
  ] as const)
    await agents.put(agentKey('local', id), JSON.stringify(agent(id, more)));
}

async function oneRound({ say }: DrillContext, field: Field, replica: number): Promise<Round> {
  const { cell, load, audit, epochs, models, effects } = field;
  const [victim, model, file] = [cell.of('agent-executor')[replica], models[replica], effects[replica]];
  if (!victim || !model || !file) throw new Error('there is no such executor');
  const instance = await victim.instance();
  const before = model.requests.length;
  const ids = await Promise.all(
    Array.from({ length: RUNS }, (_, index) =>
      load.start(JOBS[index % JOBS.length] ?? { agent_id: 'hello', input: {} }, index % 3 === 0),
    ),
  );
  await waitFor(
    async () => {
      await audit.read();
      return ids.every((id) => audit.runs.get(id)?.attempts.length) && model.requests.length > before + 2;
    },
    { timeoutMs: 60_000, everyMs: 50, describe: 'every run to be held' },
  );
  await pause(Math.random() * MODEL_MS);
  process.kill(victim.pid, 'SIGSTOP');
  const stoppedAt = performance.now();
  await audit.read();
  const held = audit.unended().filter((run) => run.attempts.at(-1)?.executor === instance);
  const calls = new Set(epochs.calls);
  say(`executor ${replica} is stopped and holds ${held.length} of ${ids.length} runs`);
  await pause(STOPPED_MS - (performance.now() - stoppedAt));
  const taken = (): boolean => held.every((run) => run.attempts.at(-1)?.executor !== instance);
  await waitFor(async () => (await audit.read()) && taken(), {
    timeoutMs: 60_000,
    everyMs: 100,
    describe: 'its runs to be taken over',
  });
  const [asked, effected] = [model.requests.length, (await file.read()).length];
  process.kill(victim.pid, 'SIGCONT');
  const heldUntilMs = await letGo(
    cell,
    instance,
    held.map((run) => run.run_id),
  );
  await pause(2_000);
  const after = (await file.read()).slice(effected);
  const fresh = after.filter((key) => !calls.has(key));
  say(`it let go of all of them after ${Math.round(heldUntilMs)} ms`);
  return {
    held: held.map((run) => run.run_id),
    heldUntilMs,
    modelCallsAfter: model.requests.length - asked,
    newEffectsAfter: fresh,
    lateEffects: after.length - fresh.length,
  };
}

/** Asks the executor until it says of none of the runs that it holds it; answers how long that took, in ms. */
async function letGo(cell: Cell, instance: string, runIds: readonly string[]): Promise<number> {
  const begun = performance.now();
  const holds = async (run_id: string): Promise<boolean> => {
    const reply = await cell.broker.nc.request(holderSubject(instance), JSON.stringify({ run_id }), {
      timeout: 5_000,
    });
    return reply.json<{ held: boolean }>().held;
  };
  await waitFor(async () => (await Promise.all(runIds.map(holds))).every((held) => !held), {
    timeoutMs: 30_000,
    everyMs: 10,
    describe: `${instance} to let go`,
  });
  return performance.now() - begun;
}

function check(figures: Figures, { audit, epochs }: Field, rounds: readonly Round[]): void {
  const held = rounds.flatMap((round) => round.held);
  figures.tell('stopped for', `${STOPPED_MS / 1_000} s, ${rounds.length} times; the lease is ${LEASE_S} s`);
  figures.atLeast('runs held by a stopped executor', held.length, 4 * rounds.length);
  figures.none('events accepted of an attempt that is over', epochs.stale);
  figures.atMost(
    'until it had let go of all',
    Math.max(...rounds.map((one) => one.heldUntilMs)) / 1_000,
    1,
    's',
  );
  figures.exactly('model calls begun by it then', sum(rounds.map((one) => one.modelCallsAfter)), 0);
  figures.none(
    'effects of calls begun by it then',
    rounds.flatMap((one) => one.newEffectsAfter),
  );
  figures.tell('effects of calls in flight when it was stopped', sum(rounds.map((one) => one.lateEffects)));
  const takeovers = held.flatMap((id) => audit.runs.get(id)?.attempts.filter((one) => one.takeover) ?? []);
  figures.none(
    'of these not ended by another holder',
    held.filter((id) => (audit.runs.get(id)?.attempts.length ?? 0) < 2),
  );
  figures.tell('silence until they were taken over', spread(takeovers.map((one) => one.silence_ms)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
