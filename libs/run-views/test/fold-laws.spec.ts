import { describe, expect, it } from '@jest/globals';
import { emptyRun, evolve, type AnyEvent, type EventType } from '@runledger/run';
import fc from 'fast-check';
import { addDecimal, applyCommit, foldEvents, foldView, type RunView } from '../src/index.ts';
import { eventOf, RUN_ID, stamp, TYPES } from './run-history.ts';

const later = fc.constantFrom<EventType>(...TYPES.filter((type) => type !== 'run.requested'));
const aHistory = fc
  .array(later, { maxLength: 60 })
  .map((types) =>
    (['run.requested', ...types] as EventType[]).map((type, index) => eventOf(index + 1, type)),
  );

const junkEvent = fc.record({
  type: fc.oneof(
    fc.constantFrom(...TYPES, 'constructor', '__proto__', 'toString', 'next.version'),
    fc.string(),
  ),
  data: fc.oneof(
    fc.anything(),
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom('usage', 'limits', 'labels', 'parent', 'error', 'turn', 'name', 'timer', '__proto__'),
      fc.anything(),
    ),
  ),
  at: fc.oneof(fc.string(), fc.constant(stamp(3))),
});

const numbered = (events: { type: string; data: unknown; at: string }[], from: number): AnyEvent[] =>
  events.map((event, index) => ({ ...event, seq: from + index, run_id: RUN_ID, attempt: 1 }));

describe('laws of the fold', () => {
  it('commit by commit is event by event', () => {
    fc.assert(
      fc.property(aHistory, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (events, sizes) => {
        let byCommit: RunView | undefined;
        for (let from = 0, turn = 0; from < events.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          byCommit = applyCommit(byCommit, events.slice(from, from + size), `digest-${from}`);
          from += size;
        }
        const byEvent = events.reduce<RunView | undefined>((view, event) => foldView(view, event), undefined);
        expect({ ...byCommit, digest: '' }).toEqual(byEvent);
        expect(byCommit?.digest).not.toBe('');
        expect(foldEvents(events)).toEqual(byEvent);
      }),
    );
  });

  it('says of a run what the domain says of it', () => {
    fc.assert(
      fc.property(aHistory, (events) => {
        const view = foldEvents(events) as RunView;
        const run = events.reduce(evolve, emptyRun(RUN_ID));
        expect({
          seq: view.seq,
          status: view.status,
          waiting_on: view.waiting_on,
          attempt: view.attempt,
          turns: view.usage.turns,
          limits: view.limits,
          started_at: view.started_at,
          ended_at: view.completed_at,
          stop: view.stop && [view.stop.mode, view.stop.reason, view.stop.requested_at],
        }).toEqual({
          seq: run.seq,
          status: run.status,
          waiting_on: run.waiting_on,
          attempt: run.attempt,
          turns: run.turns,
          limits: run.limits,
          started_at: run.started_at,
          ended_at: run.ended_at,
          stop: run.stop && [run.stop.mode, run.stop.reason, run.stop.requested_at],
        });
      }),
      { numRuns: 300 },
    );
  });

  it('applying again what is held changes nothing', () => {
    fc.assert(
      fc.property(aHistory, fc.nat(), (events, at) => {
        const view = applyCommit(undefined, events, 'd');
        const from = at % events.length;
        expect(applyCommit(view, events.slice(from), 'other')).toBe(view);
      }),
    );
  });

  it('never throws and never changes what it was given, whatever the data', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(junkEvent, { maxLength: 30 }), (requested, junk) => {
        const start = requested ? foldEvents([eventOf(1, 'run.requested')]) : undefined;
        const frozen = JSON.stringify(start);
        const events = numbered(junk, requested ? 2 : 1);
        const view = applyCommit(start, events, 'd');
        expect(JSON.stringify(start)).toBe(frozen);
        if (view && events.length > 0) expect(view.seq).toBe(events.at(-1)?.seq);
        if (view) expect(Number.isFinite(view.usage.cost_usd)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('a type of a later version changes only seq, digest and the time of the last event', () => {
    fc.assert(
      fc.property(aHistory, fc.jsonValue(), (events, data) => {
        const view = foldEvents(events) as RunView;
        const next = {
          seq: view.seq + 1,
          type: 'run.teleported',
          at: stamp(99),
          run_id: RUN_ID,
          attempt: 1,
          data,
        };
        expect(foldView(view, next, 'd')).toEqual({
          ...view,
          seq: view.seq + 1,
          digest: 'd',
          last_event_at: stamp(99),
        });
      }),
    );
  });

  it('a view survives being stored as JSON', () => {
    fc.assert(
      fc.property(aHistory, (events) => {
        const view = foldEvents(events);
        expect(JSON.parse(JSON.stringify(view))).toEqual(view);
      }),
    );
  });
});

describe('decimal sums', () => {
  const cents = fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n });
  const decimal = (units: bigint, scale: number) => {
    const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
    const text = `${digits.slice(0, digits.length - scale)}${scale ? '.' : ''}${digits.slice(digits.length - scale)}`;
    return units < 0n ? `-${text}` : text;
  };

  it('are those of whole numbers at the same scale', () => {
    fc.assert(
      fc.property(cents, cents, fc.integer({ min: 0, max: 9 }), (a, b, scale) => {
        const exact = addDecimal(decimal(a, scale), decimal(b, scale));
        expect(addDecimal(exact, '0')).toBe(addDecimal(decimal(a + b, scale), '0'));
      }),
    );
  });

  it('take what is no decimal for zero', () => {
    for (const junk of [undefined, null, 1, 'NaN', '1e3', ' 1', '', '.', '9'.repeat(31)])
      expect(addDecimal('1.50', junk)).toBe('1.5');
    expect(addDecimal('0.1', '0.2')).toBe('0.3');
    expect(addDecimal('-0.5', '0.5')).toBe('0');
    expect(addDecimal('99.99', '0.01')).toBe('100');
  });
});
