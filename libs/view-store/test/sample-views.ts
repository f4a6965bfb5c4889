import type { RunView } from '@runledger/run-views';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The run id of the n-th run: later runs sort after earlier ones, as ULIDs do. */
export function runId(n: number): string {
  let text = '';
  for (let rest = n, i = 0; i < 25; i += 1) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return `0${text}`;
}

export function sampleView(n: number, change: Partial<RunView> = {}): RunView {
  return {
    run_id: runId(n),
    tenant_id: 'acme',
    user_id: 'ada',
    workspace_id: null,
    agent_id: 'hello',
    agent_name: 'Hello',
    agent_revision: 1,
    channel: 'api',
    status: 'running',
    waiting_on: null,
    input: { message: `number ${n}` },
    result: null,
    error: null,
    schema_warnings: [],
    ops_log: [],
    ops_log_dropped: 0,
    open_approvals: [],
    created_at: '2026-11-21T10:00:00.000Z',
    started_at: null,
    completed_at: null,
    duration_ms: null,
    attempt: 1,
    seq: 2,
    digest: 'd'.repeat(64),
    usage: { turns: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0.5, cost_usd_exact: '0.5' },
    limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
    labels: {},
    priority: 0,
    parent_run_id: null,
    root_run_id: runId(n),
    depth: 0,
    forked_from: null,
    last_milestone: null,
    current: null,
    last_event_at: '2026-11-21T10:00:01.000Z',
    trace: false,
    stop: null,
    ...change,
  };
}
