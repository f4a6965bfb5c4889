/**
 * Owns: agents called by an agent, each as a run of its own.
 *
 * 1. The call is `child.spawned` in the parent before the child exists, so that a stop refuses it or finds it listed.
 * 2. The child is created at expectation 0. A repeat after a crash finds it, or creates it; one that was stopped before
 *    it was created stays stopped.
 * 3. A refused call is recorded too: agents may be changed before the run is resumed.
 */
import { AgentFailed, type AgentDefinition, type AgentFailure, type JsonValue } from '@runledger/harness';
import type { EventData, Limits } from '@runledger/run';
import type { HeldRun, RunAddress, RunLog } from '@runledger/run-log';
import { SCHEMA } from '@runledger/wire';
import { ulid } from 'ulid';
import type { AgentDefinitions, CurrentAgent } from '../definitions/agent-definitions.ts';
import type { ChildEnd, Inbox } from '../holding/inbox.ts';
import type { Gate } from './gate.ts';
import { LargeValues } from './large-values.ts';
import type { RecordedSteps } from './recorded-steps.ts';
import type { Recorder } from './recorder.ts';
import { refusalOf } from './agent-call-refusals.ts';
import { signatureOf } from './signature.ts';

export interface AgentCallParts {
  runLog: RunLog;
  definitions: AgentDefinitions;
  held: HeldRun;
  gate: Gate;
  recorder: Recorder;
  recorded: RecordedSteps;
  values: LargeValues;
  inbox: Inbox;
  agent: AgentDefinition;
  request: EventData['run.requested'];
}

interface Child {
  address: RunAddress;
  agent_id: string;
  call_id: string;
  input: JsonValue;
}

export class AgentCalls {
  constructor(private readonly parts: AgentCallParts) {}

  /** The child's result. AgentFailed with the child's code when it failed, was stopped, or may not be called. */
  async call(index: number, agent_id: string, input: JsonValue): Promise<JsonValue> {
    const { gate, inbox } = this.parts;
    const closed = gate.pass(`agent:${agent_id}`);
    if (closed) await closed;
    const child = await gate.parking.during(() => this.#find(index, agent_id, input));
    const entry = { kind: 'agent', name: agent_id, started_at: new Date().toISOString() };
    const { run_id } = child.address;
    const end = inbox.endOf(run_id) ?? (await gate.awaiting(entry, inbox.whenEnded(run_id)));
    return gate.parking.during(() => this.#outcome(child, end));
  }

  async #find(index: number, agent_id: string, input: JsonValue): Promise<Child> {
    const { recorded, values, inbox, held } = this.parts;
    const stored = await values.put(input);
    const step = recorded.match(index, 'agent', agent_id, signatureOf(stored));
    if (step?.state === 'done')
      throw new AgentFailed((await values.get(step.result)) as unknown as AgentFailure);
    const address = { tenant_id: held.address.tenant_id, run_id: step?.child_run_id ?? ulid() };
    const child = { address, agent_id, call_id: step?.call_id ?? `c${index}`, input };
    if (step) {
      if (!inbox.endOf(address.run_id)) await this.#createIfAbsent(child);
      return child;
    }
    await this.#spawn(index, child, stored);
    return child;
  }

  async #spawn(index: number, child: Child, stored: JsonValue): Promise<void> {
    const { definitions, held, request, recorder, agent } = this.parts;
    const { agent_id, call_id, address } = child;
    const current = await definitions.current(address.tenant_id, agent_id);
    const refusal = await refusalOf({ agent_id, current, caller: agent, request }, (run_id) =>
      this.parts.runLog.load({ ...held.address, run_id }).then(({ run }) => run),
    );
    if (refusal) {
      const signature = signatureOf(stored);
      const result = refusal.failure as unknown as JsonValue;
      const step = { index, kind: 'agent' as const, name: agent_id, signature, result };
      await recorder.record(`agent:${agent_id}`, [
        { type: 'step.completed', data: { ...step, is_error: true, duration_ms: 0 } },
      ]);
      throw refusal;
    }
    await recorder.record(`agent:${agent_id}`, [
      {
        type: 'child.spawned',
        data: { call_id, index, child_run_id: address.run_id, agent_id, input: stored },
      },
    ]);
    await this.#create(child, current);
  }

  async #createIfAbsent(child: Child): Promise<void> {
    const { run } = await this.parts.runLog.load(child.address);
    if (run.status !== 'none') return;
    await this.#create(child, await this.parts.definitions.current(child.address.tenant_id, child.agent_id));
  }

  /** Without a definition the child is created all the same: its executor ends it with `agent_gone`. */
  async #create(child: Child, current: CurrentAgent | undefined): Promise<void> {
    const { runLog, request, held } = this.parts;
    const { address, agent_id, call_id } = child;
    const requested: EventData['run.requested'] = {
      agent_id,
      agent_name: current?.definition.name ?? agent_id,
      agent_revision: current?.revision ?? 0,
      agent_sha256: current?.sha256 ?? '',
      input: await new LargeValues(runLog, address).put(child.input),
      env_keys: [],
      tenant_id: request.tenant_id,
      user_id: request.user_id,
      ...(request.workspace_id === undefined ? {} : { workspace_id: request.workspace_id }),
      channel: 'agent',
      parent: { run_id: held.address.run_id, call_id },
      root_run_id: request.root_run_id,
      depth: request.depth + 1,
      labels: {},
      priority: request.priority,
      limits: childLimits(held.run, current?.definition),
      trace: request.trace,
      schema: SCHEMA,
    };
    await runLog.completeStart(runLog.prepareStart({ type: 'StartRun', request: requested }, address));
  }

  async #outcome({ address, agent_id }: Child, end: ChildEnd): Promise<JsonValue> {
    if (end.status === 'success') return new LargeValues(this.parts.runLog, address).get(end.result ?? null);
    const { code, title, detail, remedy } = end.error ?? {
      code: 'child_stopped',
      title: 'it was stopped',
      detail: '',
      remedy: 'Look at who stopped it and why.',
    };
    throw new AgentFailed({
      code,
      category: 'agent',
      title: `The agent ${agent_id} did not succeed`,
      detail: `run ${address.run_id}: ${title}${detail ? `: ${detail}` : ''}`,
      remedy,
      // Its end is on record: another attempt of the caller would meet the same end.
      retryable: false,
    });
  }
}

const DEFAULT_MAX_ATTEMPTS = 3;

/** What the child's definition says, and no more turns and time than its caller has left. Money is the tree's account. */
export function childLimits(
  parent: Pick<HeldRun['run'], 'limits' | 'turns' | 'requested_at'>,
  child: AgentDefinition | undefined,
  now = Date.now(),
): Limits {
  const { max_turns, timeout_s } = parent.limits;
  const own = child?.limits ?? {};
  const passed = (now - Date.parse(parent.requested_at)) / 1_000;
  const cost = own.max_cost_usd;
  return {
    max_turns: least(own.max_turns, max_turns === null ? null : Math.max(1, max_turns - parent.turns)),
    max_cost_usd: cost === undefined ? null : cost.toFixed(6).replace(/\.?0+$/, ''),
    timeout_s: least(own.timeout_s, timeout_s === null ? null : Math.max(1, Math.ceil(timeout_s - passed))),
    max_attempts: own.max_attempts ?? DEFAULT_MAX_ATTEMPTS,
  };
}

function least(own: number | undefined, left: number | null): number | null {
  if (own === undefined) return left;
  return left === null ? own : Math.min(own, left);
}
