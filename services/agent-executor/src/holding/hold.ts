import { type Boundary, type Harness, type HarnessContext, type RecordedEvent } from '@runledger/harness';
import type { AgentDefinition, AgentKind, ModelUsage, PaidCall } from '@runledger/harness';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { DraftEvent, EventData, HeldBy } from '@runledger/run';
import { HoldLost, LogUnavailable, type HeldRun, type RunLog } from '@runledger/run-log';
import { Gate } from '../boundary/gate.ts';
import type { LargeValues } from '../boundary/large-values.ts';
import { AgentCalls } from '../boundary/agent-calls.ts';
import { RecordedSteps } from '../boundary/recorded-steps.ts';
import { Recorder } from '../boundary/recorder.ts';
import { RunBoundary } from '../boundary/run-boundary.ts';
import type { Prices } from '../budget/prices.ts';
import { Purse } from '../budget/purse.ts';
import { TreeAccount } from '../budget/tree-account.ts';
import type { AgentDefinitions } from '../definitions/agent-definitions.ts';
import { schemaWarnings } from '../definitions/output-schema.ts';
import type { Engines } from '../engines/engines.ts';
import type { Ending } from './ending.ts';
import type { Inbox } from './inbox.ts';
import { requestOf } from './history.ts';

export interface HoldParts {
  held: HeldRun;
  heldBy: HeldBy;
  gate: Gate;
  values: LargeValues;
  inbox: Inbox;
  history: readonly RecordedEvent[];
}

export interface AgentParts {
  agent: AgentDefinition;
  env: Record<string, string>;
  harness: Harness;
  engines: Engines;
  runLog: RunLog;
  definitions: AgentDefinitions;
  js: JetStreamClient;
  prices: Prices;
}

/** Engines that come to where they were from what is recorded, without doing anything again. */
const REPLAYABLE: ReadonlySet<AgentKind> = new Set<AgentKind>(['code', 'llm', 'builtin']);

/** Runs the agent of a held run to its end. Everything that an agent can do wrong is in the Ending. */
export async function runAgent(parts: HoldParts, agent: AgentParts): Promise<Ending> {
  const endTimeLimit = startTimeLimit(parts);
  try {
    const context = await contextFor(parts, agent);
    const result = await agent.harness.run(context);
    const warnings = schemaWarnings(agent.agent.output_schema, result);
    return { result: await parts.values.put(result), warnings };
  } catch (error) {
    if (error instanceof LogUnavailable) throw error;
    return { error: endOf(parts, error) };
  } finally {
    endTimeLimit();
  }
}

/** An engine that was interrupted may throw anything: what counts is why it was interrupted. */
function endOf({ gate }: HoldParts, error: unknown): unknown {
  return gate.interrupted.aborted && !(error instanceof HoldLost) ? gate.interrupted.reason : error;
}

/** Counted from the request, as the scheduler does for runs that nobody holds; a raise while the run is held counts. */
function startTimeLimit({ held, gate }: HoldParts): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = (): void => {
    clearTimeout(timer);
    const seconds = held.run.limits.timeout_s;
    if (seconds === null) return;
    const left = (Date.parse(held.run.requested_at) || Date.now()) + seconds * 1_000 - Date.now();
    timer = setTimeout(() => gate.timeOut(seconds), Math.min(Math.max(left, 0), 2 ** 31 - 1));
  };
  held.onForeign((event) => {
    if (event.type === 'limits.raised') start();
  });
  start();
  return () => clearTimeout(timer);
}

async function contextFor(parts: HoldParts, agentParts: AgentParts): Promise<HarnessContext> {
  const { held, gate, values, history, inbox } = parts;
  const { agent, env } = agentParts;
  const request: EventData['run.requested'] = requestOf(history);
  const recorder = new Recorder(held, gate);
  const signal = AbortSignal.any([held.lost, gate.interrupted]);
  const purse = purseFor(parts, agentParts, request);
  gate.parking.replayable = REPLAYABLE.has(agent.kind);
  return {
    run_id: held.address.run_id,
    tenant_id: request.tenant_id,
    user_id: request.user_id,
    attempt: parts.heldBy.attempt,
    depth: request.depth,
    trace: request.trace,
    agent,
    turnsAllowed: (turn) => turnsAllowed(held, turn),
    input: await values.get(request.input),
    env,
    history,
    boundary: boundaryFor(parts, agentParts, { recorder, purse, signal }),
    emit: (events) => recorder.emit(events[0]?.type ?? 'emit', events as DraftEvent[]),
    paid: (call, work) => paid({ purse, recorder }, call, work),
    values,
    nudges: () => inbox.pendingNudges(),
    stopping: gate.stopSeen,
    signal,
  };
}

function boundaryFor(
  parts: HoldParts,
  { agent, env, engines, runLog, definitions }: AgentParts,
  { recorder, purse, signal }: { recorder: Recorder; purse: Purse; signal: AbortSignal },
): Boundary {
  const recorded = new RecordedSteps(parts.history);
  const request = requestOf(parts.history);
  return new RunBoundary({
    ...parts,
    run_id: parts.held.address.run_id,
    recorder,
    recorded,
    purse,
    model: agent.model ?? '',
    turnsAllowed: (turn) => turnsAllowed(parts.held, turn),
    agents: new AgentCalls({ ...parts, runLog, definitions, recorder, recorded, agent, request }),
    callModel: (call) => engines.callModel(call, { agent, env, signal, stopping: parts.gate.stopSeen }),
  });
}

function purseFor(
  { held, heldBy, gate, history }: HoldParts,
  { agent, runLog, js, prices }: AgentParts,
  { tenant_id, root_run_id }: EventData['run.requested'],
): Purse {
  const root = { tenant_id, run_id: root_run_id };
  const account = new TreeAccount(js, runLog, root, AbortSignal.any([held.lost, gate.leaving]));
  const onBudget = agent.limits?.on_budget ?? 'wait';
  return new Purse({ prices, account, runLog, gate, held, heldBy, history, onBudget });
}

async function paid<T extends { usage: ModelUsage }>(
  { purse, recorder }: { purse: Purse; recorder: Recorder },
  call: PaidCall,
  work: (maxTokens: number | undefined) => Promise<T>,
): Promise<T> {
  const payment = await purse.reserve(call);
  let done: T;
  try {
    await recorder.begin(call.boundary);
    done = await work(payment.max_tokens);
  } catch (error) {
    await payment.release();
    throw error;
  }
  return { ...done, usage: await payment.settle(done.usage) };
}

/** What the run's start and later raises allow. A raise that was answered before is heard of before a turn is refused. */
async function turnsAllowed(held: HeldRun, turn: number): Promise<number | null> {
  const { max_turns } = held.run.limits;
  if (max_turns === null || turn <= max_turns) return max_turns;
  // Nothing to record is only answered from the leader's last event.
  await held.record([]);
  return held.run.limits.max_turns;
}
