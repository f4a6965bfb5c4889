import type { AnyEvent, Channel, Limits } from '@runledger/run';
import {
  json,
  oneOf,
  record,
  text,
  textOrNull,
  textRecord,
  whole,
  wholeOrNull,
  type Loose,
} from './lenient.ts';
import type { RunView } from './run-view.ts';

const CHANNELS: readonly Channel[] = ['api', 'cli', 'console', 'agent', 'trigger', 'schedule', 'webhook'];

/** The view after `run.requested`. */
export function firstView(event: AnyEvent): RunView {
  const data = record(event.data);
  const parent = record(data.parent);
  return {
    run_id: event.run_id,
    tenant_id: text(data.tenant_id),
    user_id: text(data.user_id),
    workspace_id: textOrNull(data.workspace_id),
    agent_id: text(data.agent_id),
    agent_name: text(data.agent_name),
    agent_revision: whole(data.agent_revision),
    channel: oneOf(CHANNELS, data.channel, 'api'),
    input: json(data.input),
    limits: limitsOf(data.limits),
    labels: textRecord(data.labels),
    priority: whole(data.priority),
    parent_run_id: textOrNull(parent.run_id),
    root_run_id: text(data.root_run_id) || event.run_id,
    depth: whole(data.depth),
    forked_from: forkOf(data.forked_from),
    trace: data.trace === true,
    ...NOT_YET,
    created_at: event.at,
    last_event_at: event.at,
    seq: event.seq,
    attempt: 0,
    digest: '',
  };
}

const NOT_YET = {
  status: 'queued',
  waiting_on: null,
  result: null,
  error: null,
  schema_warnings: [],
  ops_log: [],
  ops_log_dropped: 0,
  started_at: null,
  completed_at: null,
  duration_ms: null,
  usage: { turns: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0, cost_usd_exact: '0' },
  last_milestone: null,
  current: null,
  stop: null,
  open_approvals: [],
} satisfies Partial<RunView>;

function limitsOf(value: unknown): Limits {
  const data = record(value);
  return {
    max_turns: wholeOrNull(data.max_turns),
    max_cost_usd: textOrNull(data.max_cost_usd),
    timeout_s: typeof data.timeout_s === 'number' ? data.timeout_s : null,
    max_attempts: whole(data.max_attempts),
  };
}

/** Limits after `limits.raised`: a field that is absent stays as it was. */
export function raisedLimits(before: Limits, value: unknown): Limits {
  const given: Loose = record(value);
  const after = limitsOf({ ...before, ...given });
  return { ...after, max_attempts: after.max_attempts || before.max_attempts };
}

function forkOf(value: unknown): RunView['forked_from'] {
  const data = record(value);
  return typeof data.run_id === 'string' ? { run_id: data.run_id, seq: whole(data.seq) } : null;
}
