import { setTimeout as pause } from 'node:timers/promises';
import { Kvm } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { type Cell, LEASE_S, startCell } from '../cell.ts';
import type { Drill, DrillContext, Figures } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { KillProxy } from '../kill-proxy.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { type ScriptedModel, startScriptedModel, type Turn } from '../scripted-model.ts';
import { ToolAudit } from '../tool-audit.ts';
import { type Point, POINTS } from '../tool-call-points.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const EXECUTORS = 5;
/** One fewer than executors: somebody is always free to take a run over. */
const AT_ONCE = EXECUTORS - 1;
/** A call takes effect half way. */
const CALL_MS = 600;
const MODEL_MS = 150;
const RESUME_S = LEASE_S + 15;

interface Case extends Point {
  name: string;
  engine: 'llm' | 'code';
  idempotent: boolean;
  run_id: string;
  killed: boolean;
  /** A person was seen to be asked. */
  asked: boolean;
}

interface Field {
  cell: Cell;
  load: Load;
  model: ScriptedModel;
  proxy: KillProxy;
  effects: EffectsFile;
}

/** What P3 and P5 promise, at every point around one call. */
export const toolCalls: Drill = {
  name: 'tool-calls',
  rows: '6',
  title:
    'kill -9 of the executor at 12 points around a tool call, for tools that may be called twice and that may not',
  async run(context) {
    const { cleanup, figures, long } = context;
    const armed = new Map<string, PromiseWithResolvers<void>>();
    const model = await startScriptedModel(cleanup, (name, turn) => script(name, turn, armed));
    const effects = await EffectsFile.make(cleanup);
    const proxy = new KillProxy(cleanup);
    const cell = await startCell(cleanup, {
      replicas: { 'agent-executor': EXECUTORS },
      env: {
        RUNLEDGER_MODEL_BASE_URL: model.url,
        RUNLEDGER_MODEL_API_KEY: 'drill',
        RUNLEDGER_EFFECTS_FILE: effects.path,
        RUNLEDGER_SLOTS: '1',
      },
      through: (service, url) => (service === 'agent-executor' ? proxy.listen(url) : url),
    });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const tools = new ToolAudit();
    const audit = new LogAudit(cell.broker, tools.take);
    const cases = allCases(long);
    for (const one of cases) armed.set(one.name, Promise.withResolvers());
    await seed(cell, cases);
    await inTurn(context, { cell, load, model, proxy, effects }, cases, armed);
    await allEnded(figures, audit, 60_000);
    await load.observersDone(60_000);
    await checkCalls(figures, cases, tools, effects);
    checkModel(figures, cases, tools, model);
    checkTakeovers(figures, cases, audit);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

/** Short: each point with each kind of tool, the engines in turn. Long: with both engines. */
function allCases(long: boolean): Case[] {
  const all = POINTS.flatMap((point, index) =>
    [true, false].flatMap((idempotent) =>
      (['llm', 'code'] as const)
        .filter((_, engine) => long || (index + (idempotent ? 1 : 0)) % 2 === engine)
        .map((engine) => ({ ...point, engine, idempotent })),
    ),
  );
  return all.map((one, index) => ({ ...one, name: `c${index}`, run_id: '', killed: false, asked: false }));
}

const toolOf = ({ idempotent }: Case): string => (idempotent ? 'slow_effect_once' : 'slow_effect');

/** `c3` and `c3-code` ask for the first answer, which waits until the trap is set; `c3-after` for a code's second. */
function script(name: string, turn: number, armed: ReadonlyMap<string, PromiseWithResolvers<void>>): Turn {
  const [id = '', role = ''] = name.split('-');
  const until = armed.get(id)?.promise;
  if (role === 'after' || turn > 0) return { afterMs: MODEL_MS, calls: [] };
  if (role === 'code') return { afterMs: MODEL_MS, calls: [], ...(until ? { until } : {}) };
  const tool = role === 'once' ? 'slow_effect_once' : 'slow_effect';
  return { afterMs: MODEL_MS, calls: [{ tool, args: { ms: CALL_MS } }], ...(until ? { until } : {}) };
}

/** The models of its first and second call, as the endpoint hears them. */
const modelsOf = (one: Case): [string, string] =>
  one.engine === 'llm'
    ? [`${one.name}-${one.idempotent ? 'once' : 'not'}`, `${one.name}-${one.idempotent ? 'once' : 'not'}`]
    : [`${one.name}-code`, `${one.name}-after`];

async function seed(cell: Cell, cases: readonly Case[]): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  for (const one of cases) {
    const [first, second] = modelsOf(one);
    const code = `export default async (input, tools) => {
      await tools.callLlm('first');
      const done = await tools.callTool('${toolOf(one)}', { ms: ${CALL_MS} });
      await tools.callLlm({ prompt: 'second', model: 'custom/${second}' });
      return done;
    };`;
    const agent = {
      agent_id: `drill-${one.name}`,
      name: `Drill, ${one.what}`,
      description: 'One tool call between two model calls.',
      kind: one.engine,
      model: `custom/${first}`,
      tools: [{ name: toolOf(one), kind: 'builtin' }],
      ...(one.engine === 'code' ? { code } : {}),
    };
    await agents.put(agentKey('local', agent.agent_id), JSON.stringify(agent));
  }
}

async function inTurn(
  { say }: DrillContext,
  field: Field,
  cases: readonly Case[],
  armed: ReadonlyMap<string, PromiseWithResolvers<void>>,
): Promise<void> {
  const left = [...cases];
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let one = left.shift(); one; one = left.shift()) {
      one.run_id = await field.load.start({ agent_id: `drill-${one.name}`, input: {} }, true);
      const killed = spring(field, one);
      armed.get(one.name)?.resolve();
      await killed;
      await toItsEnd(field, one);
      say(`${(done += 1)} of ${cases.length}: ${one.engine}, ${toolOf(one)}: ${one.what}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Resolves when the executor was killed at the case's point; it is started again meanwhile. */
async function spring({ cell, proxy, effects, model }: Field, one: Case): Promise<void> {
  const kill = (site: number | undefined): void => {
    const victim = cell.of('agent-executor')[site ?? -1];
    if (!victim) throw new Error(`nobody is known to hold run ${one.run_id}`);
    one.killed = true;
    void victim.end('SIGKILL').then(() => victim.start());
  };
  if (one.on === 'effect') {
    await effects.took(one.run_id);
    return kill(proxy.writerOf(one.run_id));
  }
  if (one.on === 'second model call') {
    const [, second] = modelsOf(one);
    const asked = (): boolean =>
      model.requests.some(
        ({ model: name, turn }) => name === second && (one.engine === 'code' || turn === 1),
      );
    await waitFor(asked, { timeoutMs: 60_000, everyMs: 2, describe: `a call of ${second}` });
    return kill(proxy.writerOf(one.run_id));
  }
  const answer = one.engine === 'llm' ? 'turn.completed' : 'step.completed';
  const type = one.on.type === 'answer' ? answer : one.on.type;
  const { promise, resolve } = Promise.withResolvers<number>();
  proxy.arm(one.run_id, { type, at: one.on.at }, (site) => {
    if (one.afterMs === undefined) kill(site);
    resolve(site);
  });
  const site = await promise;
  if (one.afterMs === undefined) return;
  await pause(one.afterMs);
  kill(site);
}

/** Waits for the end; a run that asks what became of its call is answered by looking at the world. */
async function toItsEnd({ cell, effects }: Field, one: Case): Promise<void> {
  const client = await cell.client();
  const end = performance.now() + 90_000;
  for (;;) {
    const run = await client.getRun(one.run_id);
    if (run.completed_at) return;
    if (run.status === 'waiting' && run.waiting_on === 'unknown_outcome' && !one.asked) {
      one.asked = true;
      const { events } = await client.events(one.run_id, { limit: 1_000 });
      const unknown = events.find((event) => event.type === 'outcome.unknown');
      const callId = String((unknown?.data as { call_id?: unknown } | undefined)?.call_id);
      const took = await effects.has(`${one.run_id}/${callId}`);
      await client.resolveOutcome(
        one.run_id,
        callId,
        took ? { choice: 'mark_done', result: { by: 'a person' } } : { choice: 'retry' },
      );
    }
    if (performance.now() > end) throw new Error(`run ${one.run_id} (${one.what}) is ${run.status}`);
    await pause(150);
  }
}

const named = (one: Case): string => `${one.engine} ${toolOf(one)}: ${one.what} (${one.run_id})`;

async function checkCalls(
  figures: Figures,
  cases: readonly Case[],
  tools: ToolAudit,
  effects: EffectsFile,
): Promise<void> {
  const found = await effects.read();
  const of = (one: Case): number => found.filter((key) => key.startsWith(`${one.run_id}/`)).length;
  figures.exactly('kills', cases.filter((one) => one.killed).length, cases.length);
  const list = (wanted: (one: Case) => boolean): string[] => cases.filter(wanted).map(named);
  figures.none(
    'effects that happened twice',
    list((one) => of(one) > 1),
  );
  figures.none(
    'calls reported as done without an effect',
    list((one) => tools.done(one.run_id) && of(one) === 0),
  );
  figures.none(
    'runs without a result of their call',
    list((one) => !tools.done(one.run_id)),
  );
  figures.atLeast(
    'repeats that the receiver knew by their key',
    list((one) => tools.repeated(one.run_id)).length,
    1,
  );
  figures.exactly(
    'runs that asked what became of a call',
    list((one) => one.asked).length,
    list((one) => one.open === true && !one.idempotent).length,
  );
  figures.none(
    'asked, or not, against the point',
    list((one) => one.asked !== (one.open === true && !one.idempotent)),
  );
  figures.none(
    'calls not idempotent made again unasked',
    list((one) => !one.idempotent && tools.unasked(one.run_id)),
  );
}

/** A request that arrived after the log had the answer to the same question. */
function checkModel(figures: Figures, cases: readonly Case[], tools: ToolAudit, model: ScriptedModel): void {
  const again: string[] = [];
  for (const one of cases)
    modelsOf(one).forEach((name, call) => {
      const asked = model.requests.filter(
        (request) => request.model === name && (one.engine === 'code' || request.turn === call),
      );
      const storedAt = tools.answeredAt(one.run_id, call);
      if (asked.some((request) => request.at > storedAt)) again.push(`${named(one)}, call ${call + 1}`);
    });
  figures.tell('model calls', model.requests.length);
  figures.atLeast('of these needed', model.requests.length, 2 * cases.length);
  figures.none('recorded model calls made again', again);
}

function checkTakeovers(figures: Figures, cases: readonly Case[], audit: LogAudit): void {
  const silences = cases.flatMap((one) =>
    (audit.runs.get(one.run_id)?.attempts ?? [])
      .filter((attempt) => attempt.takeover)
      .map((attempt) => attempt.silence_ms),
  );
  figures.atLeast('runs taken over', silences.length, cases.length);
  figures.atMost('the longest silence before it', Math.max(...silences) / 1_000, RESUME_S, 's');
}
