import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkpoint,
  decide,
  emptyRun,
  evolve,
  isEnded,
  number,
  react,
  restore,
  RUN_STATE_VERSION,
  stillWaitsFor,
} from '@runledger/run';
import type { AnyEvent, Command, Run, RunEvent } from '@runledger/run';
import { AT, fold } from './given-when-then.ts';
import { asks, type Ask } from './random-commands.ts';
import {
  approvalRequested,
  draft,
  everyCommand,
  failed,
  parked,
  requested,
  spawned,
  started,
  stopRequested,
  succeeded,
} from './sample-events.ts';

interface Step {
  command: Command;
  before: Run;
  after: Run;
  events: RunEvent[];
}

/** Asks one after the other; what is refused changes nothing. */
function play(list: Ask[]): Step[] {
  let run = emptyRun('R');
  const steps: Step[] = [];
  for (const ask of list) {
    const command = ask(run);
    const { events: drafts } = decide(command, run);
    if (!drafts || drafts.length === 0) continue;
    const events = number(run, drafts, AT);
    const after = events.reduce<Run>(evolve, run);
    steps.push({ command, before: run, after, events });
    run = after;
  }
  return steps;
}

/** The table of states, said once more: which types may come while a run is in which state. */
const anywhere = [
  'nudge.received',
  'limits.raised',
  'approval.decided',
  'approval.expired',
  'outcome.resolved',
  'child.ended',
  'resume.requested',
  'stop.requested',
];
const facts = [
  'turn.completed',
  'text.appended',
  'tool.returned',
  'step.completed',
  'milestone.reached',
  'log.written',
  'cost.added',
  'data.accessed',
];
const table: Record<Run['status'], string[]> = {
  none: ['run.requested'],
  queued: ['run.started', 'run.failed', ...anywhere],
  running: [
    ...anywhere,
    ...facts,
    'turn.started',
    'tool.called',
    'child.spawned',
    'nudge.acknowledged',
    'approval.requested',
    'outcome.unknown',
    'limit.reached',
    'pause.requested',
    'attempt.lost',
    'run.started',
    'run.parked',
    'retry.scheduled',
    'run.checkpointed',
    'run.succeeded',
    'run.failed',
  ],
  waiting: ['run.unparked', 'run.failed', ...anywhere],
  stopping: [
    ...facts,
    'child.ended',
    'stop.requested',
    'stop.observed',
    'attempt.lost',
    'run.started',
    'run.checkpointed',
    'run.stopped',
    'run.succeeded',
    'run.failed',
  ],
  success: [],
  error: [],
  stopped: [],
};

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
}

function check(run: Run): void {
  expect(run.waiting_on !== null).toBe(run.status === 'waiting');
  expect(run.ended_at !== null).toBe(isEnded(run));
  if (run.status === 'running') expect(run.holder?.attempt).toBe(run.attempt);
  if (run.holder) expect(['running', 'stopping']).toContain(run.status);
  if (run.timer) expect(run.status).toBe('waiting');
  if (run.waiting_on && run.waiting_on !== 'budget') expect(stillWaitsFor(run, run.waiting_on)).toBe(true);
  // Every run that stopped has its receipt, and one that nobody holds has it from the stop on.
  if (run.status === 'stopped' || (run.status === 'stopping' && !run.holder))
    expect(run.stop_observed).not.toBeNull();
  if (run.status === 'stopping')
    expect(run.holder !== null || run.children.some((child) => child.status === 'live')).toBe(true);
  expect(run.lost_in_a_row).toBeLessThan(21);
}

describe('laws of any accepted sequence of commands', () => {
  it('numbers without holes, keeps to the table and to the invariants of a run', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(asks, (list) => {
        let seq = 0;
        for (const { before, events, after } of play(list)) {
          let run = before;
          for (const event of events) {
            seq += 1;
            expect(event.seq).toBe(seq);
            expect(table[run.status]).toContain(event.type);
            if (event.type === 'stop.observed') expect(run.stop_observed).toBeNull();
            seen.add(event.type);
            run = evolve(run, event);
          }
          expect(after.seq).toBe(seq);
          check(after);
        }
      }),
      { numRuns: 300, seed: 20_261_121 },
    );
    // The law has met what it speaks of; the seed is fixed so that it always does.
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'run.started',
        'attempt.lost',
        'run.parked',
        'run.unparked',
        'stop.requested',
        'stop.observed',
        'run.stopped',
        'child.ended',
        'approval.decided',
        'outcome.resolved',
        'retry.scheduled',
      ]),
    );
  });

  it('an accepted command that is repeated directly changes nothing or is refused, reports apart', () => {
    fc.assert(
      fc.property(asks, (list) => {
        for (const { command, after } of play(list)) {
          if (command.type === 'RecordProgress') continue;
          expect(decide(command, after).events ?? []).toEqual([]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('an ended run refuses every command', () => {
    fc.assert(
      fc.property(asks, (list) => {
        const last = play(list).at(-1)?.after;
        if (!last || !isEnded(last)) return;
        for (const command of [...everyCommand, ...list.map((ask) => ask(last))])
          expect(decide(command, last).refusal).toBeDefined();
      }),
      { numRuns: 100 },
    );
  });

  it('decide and evolve never change what they are given', () => {
    fc.assert(
      fc.property(asks, (list) => {
        for (const { command, before, events } of play(list)) {
          freeze(command);
          freeze(before);
          expect(decide(command, before).refusal).toBeUndefined();
          events.reduce<Run>((run, event) => freeze(evolve(run, freeze(event))), before);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('going on from a checkpoint is going on', () => {
    fc.assert(
      fc.property(asks, fc.nat(), (list, cut) => {
        const events = play(list).flatMap((step) => step.events);
        const at = cut % (events.length + 1);
        const half = events.slice(0, at).reduce<Run>(evolve, emptyRun('R'));
        const restored = restore(JSON.parse(JSON.stringify(checkpoint(half))), RUN_STATE_VERSION);
        expect(restored).toEqual(half);
        if (restored)
          expect(events.slice(at).reduce<Run>(evolve, restored)).toEqual(
            events.reduce<Run>(evolve, emptyRun('R')),
          );
      }),
      { numRuns: 100 },
    );
  });

  it('react depends on nothing but the event and the run, and one run is never admitted twice for a dispatch', () => {
    fc.assert(
      fc.property(asks, (list) => {
        const admitted: number[] = [];
        for (const { events, after } of play(list)) {
          for (const event of events) {
            const reactions = react(freeze(event), freeze(after));
            expect(react(structuredClone(event), structuredClone(after))).toEqual(reactions);
            for (const one of reactions)
              if (one.type === 'admit' || one.type === 'dispatch') admitted.push(one.dispatch);
          }
        }
        expect(new Set(admitted).size).toBe(admitted.length);
      }),
      { numRuns: 100 },
    );
  });
});

const knownTypes = Object.values(table).flat();

describe('evolve is total', () => {
  const runs = [[], [requested()], [requested(), started(), spawned()]].map((drafts) =>
    freeze(number(emptyRun('R'), drafts, AT).reduce<Run>(evolve, emptyRun('R'))),
  );

  it('whatever an event holds', () => {
    const type = fc.oneof(
      fc.constantFrom(...knownTypes),
      fc.string(),
      fc.constantFrom('__proto__', 'constructor', 'toString'),
    );
    const field = fc.constantFrom(
      'attempt',
      'reason',
      'limits',
      'timer',
      'by',
      'error',
      'call_id',
      'child_run_id',
      'in_flight',
      'parent',
      'result',
    );
    const data = fc.oneof(fc.anything(), fc.dictionary(field, fc.anything()));
    fc.assert(
      fc.property(fc.constantFrom(...runs), type, data, (run, name, junk) => {
        const event: AnyEvent = { seq: run.seq + 1, type: name, at: AT, run_id: 'R', attempt: 0, data: junk };
        const after = evolve(run, event);
        expect(after.seq).toBe(run.seq + 1);
        expect(() => react(event as RunEvent, after)).not.toThrow();
        for (const command of everyCommand) expect(() => decide(command, after)).not.toThrow();
      }),
      { numRuns: 600 },
    );
  });

  it('types it does not know, and known ones with data of the wrong kind, change nothing but seq', () => {
    const wrong = fc.oneof(fc.constantFrom(null, undefined, 7, 'text', true), fc.array(fc.anything()));
    const type = fc.oneof(fc.constantFrom(...knownTypes), fc.string());
    fc.assert(
      fc.property(fc.constantFrom(...runs), type, wrong, (run, name, data) => {
        const event: AnyEvent = { seq: run.seq + 1, type: name, at: AT, run_id: 'R', attempt: 0, data };
        expect(evolve(run, event)).toEqual({ ...run, seq: run.seq + 1 });
      }),
    );
  });

  it('a run that has ended stays as it ended, and the first answer to an approval stays', () => {
    const decided = (user_id: string, decision: 'approve' | 'deny') =>
      draft('approval.decided', {
        approval_id: 'A1',
        decision,
        by: { user_id, channel: 'cli' },
        channel: 'cli',
        reason: '',
        scope: 'once',
      });
    const first = [requested(), started(), approvalRequested(), decided('anna', 'deny')];
    expect(fold(emptyRun('R'), [...first, decided('ben', 'approve')]).approvals).toEqual(
      fold(emptyRun('R'), first).approvals,
    );
    const over = fold(emptyRun('R'), [...first, succeeded()]);
    for (const late of [started(2), spawned(), failed(), stopRequested(), parked('pause')]) {
      expect(fold(over, [late])).toEqual({ ...over, seq: over.seq + 1 });
    }
  });
});
