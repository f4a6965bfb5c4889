import { createHash } from 'node:crypto';
import type { EventData, Limits } from '@runledger/run';
import { RunErased, type RunLog } from '@runledger/run-log';
import { SCHEMA, scheduledRunId, type Schedule } from '@runledger/wire';

interface DefinedLimits {
  max_turns?: number;
  max_cost_usd?: number;
  timeout_s?: number;
  max_attempts?: number;
}

/** A stored agent, as its bucket has it. */
export interface StoredAgent {
  text: string;
  revision: number;
}

const DEFAULT_MAX_ATTEMPTS = 3;

/**
 * Starts the run of one due time, once: its id follows from the schedule and the time, and nothing is appended to a run
 * that is there already. Gives the run's id.
 */
export async function startScheduledRun(
  runLog: RunLog,
  schedule: Schedule,
  agent: StoredAgent,
  dueAt: number,
): Promise<string> {
  const { tenant_id, schedule_id } = schedule;
  const address = { tenant_id, run_id: scheduledRunId(tenant_id, schedule_id, dueAt) };
  try {
    if ((await runLog.load(address)).run.status !== 'none') return address.run_id;
    const request = requestOf(schedule, agent, address.run_id, dueAt);
    await runLog.completeStart(runLog.prepareStart({ type: 'StartRun', request }, address));
  } catch (error) {
    // It was started, has ended and was erased; or another scheduler was first.
    if (error instanceof RunErased) return address.run_id;
    if ((await runLog.load(address)).run.status === 'none') throw error;
  }
  return address.run_id;
}

function requestOf(
  schedule: Schedule,
  { text, revision }: StoredAgent,
  run_id: string,
  dueAt: number,
): EventData['run.requested'] {
  const { tenant_id, user_id, agent_id, schedule_id } = schedule;
  const { name, limits } = JSON.parse(text) as { name: string; limits?: DefinedLimits };
  return {
    agent_id,
    agent_name: name,
    agent_revision: revision,
    agent_sha256: sha256(text),
    input: schedule.input,
    env_keys: [],
    tenant_id,
    user_id,
    channel: 'schedule',
    root_run_id: run_id,
    depth: 0,
    labels: { ...schedule.labels, schedule_id },
    priority: 0,
    limits: limitsOf(limits),
    trace: false,
    idempotency_key_sha256: sha256(JSON.stringify([tenant_id, user_id, `${schedule_id} ${dueAt}`])),
    schema: SCHEMA,
  };
}

function limitsOf({ max_turns, max_cost_usd, timeout_s, max_attempts }: DefinedLimits = {}): Limits {
  return {
    max_turns: max_turns ?? null,
    max_cost_usd: max_cost_usd === undefined ? null : max_cost_usd.toFixed(6).replace(/\.?0+$/, ''),
    timeout_s: timeout_s ?? null,
    max_attempts: max_attempts ?? DEFAULT_MAX_ATTEMPTS,
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
