import { describe, expect, it } from '@jest/globals';
import type { Run } from '@runledger/client';
import { duration } from '../src/rendering/durations.ts';
import { endLines, inferredEndLine } from '../src/rendering/end-line.ts';
import { runTable } from '../src/rendering/run-table.ts';
import { statusSnapshot } from '../src/rendering/status-snapshot.ts';

const NOW = new Date('2026-11-21T15:30:12.000Z');

const running: Run = {
  run_id: '01JDABC',
  tenant_id: 'local',
  user_id: 'dev',
  agent_id: 'hello',
  agent_name: 'Hello',
  agent_revision: 3,
  channel: 'api',
  status: 'running',
  waiting_on: null,
  input: { message: 'fix bug' },
  result: null,
  error: null,
  schema_warnings: [],
  created_at: '2026-11-21T15:26:50.000Z',
  started_at: '2026-11-21T15:26:58.000Z',
  completed_at: null,
  duration_ms: null,
  attempt: 1,
  seq: 12,
  digest: '',
  labels: {},
  parent_run_id: null,
  root_run_id: '01JDABC',
  usage: { turns: 7, input_tokens: 1, output_tokens: 1, cost_usd: 0.18 },
  limits: { max_turns: 12, max_cost_usd: 2, timeout_s: null, max_attempts: 3 },
  last_milestone: { name: 'nudge_acknowledged', at: '2026-11-21T15:29:30.000Z' },
  current: 'Bash tool call',
  last_event_at: '2026-11-21T15:30:12Z',
};

describe('the status snapshot', () => {
  it('of a running run', () => {
    expect(statusSnapshot(running, NOW)).toEqual([
      'Run 01JDABC — RUNNING (3m 14s elapsed)',
      '  Agent:         hello (revision 3)',
      '  Channel:       api',
      '  Input:         fix bug',
      '  Turn:          7 / ~12',
      '  Last milestone: nudge_acknowledged (42s ago)',
      '  Current:       Bash tool call',
      '  Cost:          $0.18 / budget $2.00',
      '  Last event:    2026-11-21T15:30:12Z',
    ]);
  });

  it('of a run of which little is known', () => {
    const limits = { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 1 };
    const { current: _1, last_event_at: _2, last_milestone: _3, ...rest } = running;
    const queued: Run = {
      ...rest,
      status: 'queued',
      started_at: null,
      input: null,
      limits,
      queue_position: 3,
    };
    expect(statusSnapshot({ ...queued, created_at: '' }, NOW)).toEqual([
      'Run 01JDABC — QUEUED (—)',
      '  Agent:         hello (revision 3)',
      '  Channel:       api',
      '  Input:         —',
      '  Turn:          7 / —',
      '  Last milestone: —',
      '  Current:       —',
      '  Cost:          $0.18',
      '  Last event:    —',
      '  Queue:         position 3',
    ]);
  });

  it('of a run that succeeded: the duration that the log says, and its result', () => {
    const result = { reply: 'done', words: Array.from({ length: 12 }, (_, i) => `word number ${i}`) };
    const lines = statusSnapshot({ ...running, status: 'success', duration_ms: 11_111_000, result }, NOW);
    expect(lines[0]).toBe('Run 01JDABC — SUCCESS (3h 05m total)');
    expect(lines).toContain('  Current:       run completed');
    const at = lines.findIndex((line) => line.startsWith('  Result:        {"reply":"done","words":["word'));
    expect(at).toBeGreaterThan(0);
    expect(lines[at + 1]).toMatch(/^ {17}\S/);
    for (const line of lines.slice(at)) expect(line.length).toBeLessThanOrEqual(17 + 60);
  });

  it('of a run that failed, waits or stops', () => {
    const error = {
      code: 'x',
      category: 'timeout',
      title: 'Out of time',
      detail: 'after 5 s',
      remedy: 'raise it',
      retryable: true,
    };
    expect(
      statusSnapshot({ ...running, status: 'error', duration_ms: 5000, attempt: 2, error }, NOW).slice(-3),
    ).toEqual([
      '  Attempt:       2',
      '  Reason:        timeout: Out of time — after 5 s',
      '  Remedy:        raise it',
    ]);
    const stop = { mode: 'cooperative', reason: 'enough', requested_at: '2026-11-21T15:30:00.000Z' };
    expect(
      statusSnapshot({ ...running, status: 'stopping', waiting_on: 'unknown_outcome', stop }, NOW).slice(-2),
    ).toEqual([
      '  Waiting for:   unknown outcome',
      '  Stop:          requested 12s ago (cooperative): enough',
    ]);
  });

  it('shows what is to be decided', () => {
    const open_approvals = Array.from({ length: 7 }, (_, at) => ({
      ...{ seq: at, approval_id: `a${at}`, call_id: '', name: 'Bash', args_preview: '{"x":"\u001b"}' },
      ...{ args_sha256: '', reason: '', severity: '', requested_at: '', due_at: '' },
    }));
    const lines = statusSnapshot(
      { ...running, status: 'waiting', waiting_on: 'approval', open_approvals },
      NOW,
    );
    expect(lines.slice(-7)).toEqual([
      '  Waiting for:   approval',
      ...[0, 1, 2, 3, 4].map((at) => `  Approval:      a${at}: Bash {"x":"\\x1b"}`),
      '  Approval:      and 2 more',
    ]);
  });
});

describe('the list', () => {
  it('is a table', () => {
    const ended: Run = {
      ...running,
      run_id: '01JDX',
      status: 'stopped',
      agent_id: 'ticker',
      duration_ms: 400,
    };
    const queued: Run = { ...running, status: 'queued', started_at: null };
    expect(runTable([running, ended, queued], NOW)).toEqual([
      'RUN ID   STATUS   AGENT   STARTED               DURATION',
      '01JDABC  running  hello   2026-11-21T15:26:58Z  3m 14s',
      '01JDX    stopped  ticker  2026-11-21T15:26:58Z  0s',
      '01JDABC  queued   hello   —                     —',
    ]);
  });
});

it('says how a run ended', () => {
  const error = {
    code: 'x',
    category: 'tool',
    title: 'Broken',
    detail: 'first\nsecond',
    remedy: '',
    retryable: false,
  };
  expect(endLines({ ...running, status: 'success' })).toEqual(['Run 01JDABC success.']);
  expect(endLines({ ...running, status: 'error', error })).toEqual([
    'Run 01JDABC error.',
    'tool: Broken — first',
  ]);
  expect(inferredEndLine('01JDABC', 'success')).toBe('Run 01JDABC success. (inferred)');
});

it('writes durations', () => {
  expect([0, 59_999, 60_000, 3_599_000, 3_600_000, 90_000_000, -5].map(duration)).toEqual([
    '0s',
    '59s',
    '1m 00s',
    '59m 59s',
    '1h 00m',
    '1d 01h',
    '0s',
  ]);
});
