import { describe, expect, it } from '@jest/globals';
import picocolors from 'picocolors';
import { WatchLines } from '../src/rendering/watch-lines.ts';

const plain = picocolors.createColors(false);
const utc = (iso: string): string => iso.slice(11, 19);

type Sample = [type: string, data: Record<string, unknown>, at?: string];

function linesOf(...samples: Sample[]): string[] {
  const lines = new WatchLines(plain, utc);
  return samples.flatMap(([type, data, at = '2026-11-21T14:02:11.250Z'], i) =>
    lines.linesOf({ seq: i + 1, type, at, run_id: 'r', attempt: 1, data }),
  );
}

const by = { user_id: 'dev', channel: 'cli' };
const usage = { input_tokens: 8211, output_tokens: 402, cached_tokens: 0, cost_usd: '0.0312' };

describe('the lines of a run', () => {
  it('shows turns, calls, milestones and cost', () => {
    const message = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'need the failing test' },
        { type: 'text', text: 'running it now\nthen the others' },
        { type: 'tool-call', toolCallId: 'c1', toolName: 'bash', input: {} },
        { type: 'tool-call', toolCallId: 'c2', toolName: 'bash', input: {} },
      ],
    };
    expect(
      linesOf(
        ['turn.started', { turn: 3, model: 'model-x' }],
        ['text.appended', { turn: 3, message_id: 'm', channel: 'text', text: 'running' }],
        ['turn.completed', { turn: 3, model: 'model-x', finish_reason: 'tool-calls', usage, message }],
        [
          'tool.called',
          { call_id: 'c1', index: 1, name: 'bash', args: { command: 'npm test' } },
          '2026-11-21T14:02:12Z',
        ],
        ['tool.returned', { call_id: 'c1', index: 1, is_error: true, result: '1 failed', outcome: 'done' }],
        ['tool.called', { call_id: 'c2', index: 2, name: 'edit', args: { file: 'a', line: 3 } }],
        [
          'tool.returned',
          { call_id: 'c2', index: 2, is_error: false, result: { ok: true }, outcome: 'skipped' },
        ],
        ['milestone.reached', { index: 3, name: 'green', detail: 'all tests pass' }],
        ['cost.added', { source: 'tool', usage }],
      ),
    ).toEqual([
      '[14:02:11] Turn #3 started (model-x)',
      '[14:02:11] Turn #3 (model-x, 2 tool calls)',
      '         Thinking: need the failing test',
      '         Text: running it now',
      '               then the others',
      '[14:02:11] Cost: $0.0312 (8211 in / 402 out tokens)',
      '[14:02:12]   ▶ bash: npm test',
      '[14:02:11]   ◀ bash [ERROR]: 1 failed',
      '[14:02:11]   ▶ edit: {"file":"a","line":3}',
      '[14:02:11]   ◀ edit [SKIPPED]: {"ok":true}',
      '[14:02:11] ★ green: all tests pass',
      '[14:02:11] Cost: $0.0312 (8211 in / 402 out tokens)',
    ]);
  });

  it('shows logs, steps, data and children', () => {
    expect(
      linesOf(
        ['log.written', { index: 1, level: 'info', source: 'agent', message: 'hello' }],
        ['log.written', { index: 2, level: 'warn', source: 'stderr', message: 'careful' }],
        ['log.written', { index: 3, level: 'error', source: 'stdout', message: 'broken' }],
        ['step.completed', { index: 4, kind: 'step', name: 'load', is_error: false, duration_ms: 12 }],
        ['data.accessed', { index: 5, op: 'get', namespace: 'notes', key: 'k1' }],
        [
          'child.spawned',
          { call_id: 'c', index: 6, child_run_id: 'R2', agent_id: 'helper', input: { q: 'why' } },
        ],
        ['child.ended', { child_run_id: 'R2', status: 'error', error: { title: 'Out of time' } }],
        ['child.ended', { child_run_id: 'R9', status: 'success', result: 4 }],
      ),
    ).toEqual([
      '[14:02:11] · hello',
      '[14:02:11] ! stderr: careful',
      '[14:02:11] ✖ stdout: broken',
      '[14:02:11]   ● step load (12 ms)',
      '[14:02:11]   ◇ data get notes/k1',
      '[14:02:11]   ▶ agent helper (R2): why',
      '[14:02:11]   ◀ agent helper [ERROR]: Out of time',
      '[14:02:11]   ◀ agent run R9: 4',
    ]);
  });

  it('shows how a run begins, waits, is stopped and ends', () => {
    expect(
      linesOf(
        ['run.requested', { agent_id: 'hello', user_id: 'dev', channel: 'cli' }],
        ['run.started', { attempt: 2, executor: 'agent-executor-1' }],
        ['attempt.lost', { attempt: 1, executor: 'e', reason: 'lease_expired' }],
        ['run.parked', { dispatch: 1, reason: 'unknown_outcome', detail: 'send_mail' }],
        ['run.unparked', { reason: 'approval', dispatch: 2 }],
        ['limit.reached', { limit: 'max_turns', value: '12', used: '12' }],
        ['stop.requested', { by, mode: 'cooperative', reason: 'enough' }],
        ['stop.observed', { boundary: 'model', in_flight: [{ name: 'bash' }], latency_ms: 12 }],
        ['run.stopped', { by: { user_id: '', channel: 'api' }, reason: 'enough' }],
        [
          'run.failed',
          {
            error: { code: 'overloaded', title: 'ProviderError', detail: 'overloaded', remedy: 'try later' },
          },
        ],
        ['run.succeeded', { result: { reply: 'ok', n: 1 }, schema_warnings: ['n is missing'] }],
        ['run.checkpointed', { state: {}, version: 1 }],
      ),
    ).toEqual([
      '[14:02:11] Requested hello by dev (cli)',
      '[14:02:11] Started on agent-executor-1, attempt 2',
      '[14:02:11] ↻ Attempt 1 lost (lease_expired)',
      '[14:02:11] ⏸ Waiting for unknown outcome: send_mail',
      '[14:02:11] ⏵ Going on after approval',
      '[14:02:11] ⛔ LIMIT (max_turns): 12 of 12',
      '[14:02:11] ■ Stop requested by dev (cooperative): enough',
      '[14:02:11] ■ Stop seen at model after 12 ms, finishing bash',
      '[14:02:11] ■ stopped by the system: enough',
      '[14:02:11] ✖ ProviderError: overloaded',
      '         ↳ try later',
      '[14:02:11] ✔ success: {"reply":"ok","n":1}',
      '         ↳ schema: n is missing',
    ]);
  });

  it('prints a type that it does not know with its data', () => {
    expect(linesOf(['weather.changed', { to: 'rain' }])).toEqual([
      '[14:02:11] weather.changed {"to":"rain"}',
    ]);
  });

  it('survives data of another form', () => {
    const types = [
      'turn.completed',
      'tool.called',
      'tool.returned',
      'log.written',
      'run.failed',
      'approval.requested',
    ];
    for (const type of types)
      for (const data of [{}, { message: 7, args: null, policy_ids: 'x', error: [] }]) {
        const lines = linesOf([type, data]);
        expect(lines.length).toBeGreaterThan(0);
        expect(lines.join('\n')).not.toMatch(/undefined|object Object/);
      }
  });

  it('lets nothing reach the terminal but text', () => {
    const evil = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eabc\u2028\r\nnext\u0000';
    const lines = linesOf(
      ['log.written', { level: 'info', source: 'agent', message: evil }],
      ['tool.called', { call_id: 'c', name: evil, args: { a: evil, b: 1 } }],
      ['turn.completed', { turn: 1, model: evil, message: { content: evil } }],
      [evil, { [evil]: evil }],
      ['run.failed', { error: { title: evil, detail: evil, remedy: evil } }],
    );
    const active = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u;
    for (const line of lines) expect(line).not.toMatch(active);
    expect(lines[0]).toBe('[14:02:11] · \\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\u{202e}abc next\\x00');
  });
});
