/**
 * Records golden histories: `node --conditions=@runledger/source libs/run/test/record-histories.ts`.
 * Writes those that are missing and never touches one that is there: what a released version wrote is never edited.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { decide, emptyRun, evolve, number } from '@runledger/run';
import type { Command, DraftEvent, EventData, Run, RunEvent } from '@runledger/run';
import {
  ANNA,
  BEN,
  approvalRequested,
  begin,
  called,
  draft,
  failure,
  log,
  milestone,
  request,
  returned,
  spawned,
} from './sample-events.ts';

const CHILDREN = ['01KAHTRY0000000000000000C0', '01KAHTRY0000000000000000C1'] as const;

type Ask = Command | ((run: Run) => Command);

const BEGIN_AT = Date.parse('2026-11-21T10:00:00.000Z');

const start = (changes: Partial<EventData['run.requested']> = {}): Command => ({
  type: 'StartRun',
  request: request(changes),
});

const heldBy = (run: Run) => ({ executor: run.holder?.executor ?? '', attempt: run.attempt });

const record =
  (...events: DraftEvent[]): Ask =>
  (run) => ({ type: 'RecordProgress', held_by: heldBy(run), events });

const park =
  (reason: 'approval' | 'children' | 'handover'): Ask =>
  (run) => ({ type: 'ParkRun', held_by: heldBy(run), reason, detail: '' });

const succeed =
  (result: string): Ask =>
  (run) => ({ type: 'SucceedRun', held_by: heldBy(run), result: { reply: result }, schema_warnings: [] });

const stop: Command = { type: 'RequestStop', by: ANNA, mode: 'cooperative', reason: 'enough' };

const usage = { input_tokens: 120, output_tokens: 18, cached_tokens: 0, cost_usd: '0.0312' };

const turn = (
  n: number,
  finish_reason: string,
  message: EventData['turn.completed']['message'],
): DraftEvent[] => [
  draft('turn.started', { turn: n, model: 'offline/hello' }),
  draft('text.appended', { turn: n, message_id: `m${n}`, channel: 'text', text: 'Grüße, ' }),
  draft('turn.completed', { turn: n, model: 'offline/hello', finish_reason, usage, message }),
];

const stories: Record<string, Ask[]> = {
  'success-with-logs': [
    start({ labels: { team: 'red' }, workspace_id: 'w1' }),
    begin(),
    record(log(0, 'line "one"'), log(1, 'line\ntwo'), log(2, 'Zeile drei: ü €')),
    record(milestone(3)),
    (run) => ({ type: 'CheckpointRun', held_by: heldBy(run) }),
    succeed('done'),
  ],
  'llm-turns-with-tools': [
    start({ agent_id: 'hello', agent_name: 'Hello', input: { message: 'hi' } }),
    begin({ engine: 'llm' }),
    record(
      ...turn(1, 'tool-calls', { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c1' }] }),
    ),
    record(called('c1', true, 1), called('c2', true, 2)),
    { type: 'SendNudge', nudge_id: 'N1', by: BEN, message: 'be brief' },
    record(returned('c2', 'done', 2), returned('c1', 'done', 1)),
    record(
      draft('nudge.acknowledged', { nudge_id: 'N1', turn: 2 }),
      ...turn(2, 'stop', { role: 'assistant', content: 'Hello' }),
    ),
    succeed('Hello'),
  ],
  'stopped-while-running': [
    start(),
    begin(),
    record(milestone(0), called()),
    stop,
    { ...stop, mode: 'kill', by: BEN },
    record(returned()),
    (run) => ({
      type: 'ObserveStop',
      held_by: heldBy(run),
      boundary: 'milestone',
      in_flight: [{ kind: 'tool', name: 'pay', started_at: '2026-11-21T10:00:02.000Z' }],
      latency_ms: 41,
    }),
    (run) => ({ type: 'FinishStop', held_by: heldBy(run), by: ANNA, reason: 'enough' }),
  ],
  'stopped-while-queued': [start(), stop],
  'attempt-lost-and-taken-over': [
    start(),
    begin(),
    record(milestone(0), milestone(1)),
    begin({ executor: 'e2', delivery: 2, lost: 'lease_expired' }),
    begin({ executor: 'e3', delivery: 3, lost: 'unreachable' }),
    record(milestone(2)),
    park('handover'),
    { type: 'UnparkRun', reason: 'handover' },
    begin({ executor: 'e4', dispatch: 2, work_seq: 12 }),
    succeed('still here'),
  ],
  'waited-for-an-approval': [
    start(),
    begin(),
    record(approvalRequested()),
    park('approval'),
    {
      type: 'DecideApproval',
      approval_id: 'A1',
      decision: 'approve',
      by: BEN,
      channel: 'console',
      reason: 'fine',
      scope: 'once',
    },
    begin({ executor: 'e2', dispatch: 2, work_seq: 12 }),
    record(called()),
    record(returned()),
    succeed('paid'),
  ],
  'waited-for-a-child': [
    start(),
    begin(),
    record(spawned(CHILDREN[0], 0), spawned(CHILDREN[1], 1)),
    park('children'),
    { type: 'EndChild', child_run_id: CHILDREN[1], status: 'error', error: failure },
    { type: 'EndChild', child_run_id: CHILDREN[0], status: 'success', result: { ticks: 1 } },
    begin({ executor: 'e2', dispatch: 2, work_seq: 12 }),
    succeed('all in'),
  ],
  failed: [
    start(),
    begin(),
    (run) => ({
      type: 'ScheduleRetry',
      held_by: heldBy(run),
      error: { code: 'tool_failed', detail: 'exit 1' },
      timer: { timer_id: 't1', due_at: '2026-11-21T10:00:30.000Z' },
    }),
    { type: 'FireRetry', timer_id: 't1' },
    begin({ executor: 'e2', dispatch: 2, work_seq: 12 }),
    (run) => ({ type: 'FailRun', held_by: heldBy(run), error: failure }),
  ],
  'stopped-while-waiting-for-a-child': [
    start(),
    begin(),
    record(called('c1', false, 0)),
    record(spawned(CHILDREN[0], 1)),
    (run) => ({ type: 'CheckpointRun', held_by: heldBy(run) }),
    park('children'),
    stop,
    { type: 'EndChild', child_run_id: CHILDREN[0], status: 'stopped' },
  ],
  'stopped-while-queued-with-a-receipt': [start(), stop],
  'stopped-before-it-was-created': [
    {
      type: 'StopAbsentChild',
      request: request({ parent: { run_id: CHILDREN[1], call_id: 'c1' } }),
      by: ANNA,
      mode: 'kill',
      reason: 'enough',
      cascade_from: CHILDREN[1],
    },
  ],
};

/** Every command must be accepted and change something; each comes a second and a bit after the one before. */
function play(run_id: string, asks: Ask[]): { run: Run; events: RunEvent[] } {
  let run = emptyRun(run_id);
  const events: RunEvent[] = [];
  asks.forEach((ask, index) => {
    const made = typeof ask === 'function' ? ask(run) : ask;
    const command: Command =
      made.type === 'StartRun' || made.type === 'StopAbsentChild'
        ? { ...made, request: { ...made.request, root_run_id: run_id } }
        : made;
    const { events: drafts, refusal } = decide(command, run);
    if (!drafts?.length) throw new Error(`${run_id}: ${command.type} ${refusal?.code ?? 'changed nothing'}`);
    const more = number(run, drafts, new Date(BEGIN_AT + index * 1007).toISOString());
    run = more.reduce<Run>(evolve, run);
    events.push(...more);
  });
  return { run, events };
}

const folder = new URL('./histories/v1/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [index, [name, asks]] of Object.entries(stories).entries()) {
  const lines = new URL(`${name}.ndjson`, folder);
  if (existsSync(lines)) continue;
  const { run, events } = play(`01KAHTRY00000000000000000${index.toString(32).toUpperCase()}`, asks);
  writeFileSync(lines, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  writeFileSync(new URL(`${name}.state.json`, folder), `${JSON.stringify(run, null, 2)}\n`);
  console.log(`${name}: ${events.length} events, ${run.status}`);
}
