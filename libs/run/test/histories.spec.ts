/**
 * Golden histories: what a version of the schema wrote folds to the state stored beside it, for ever.
 *
 * To add one: write its story into record-histories.ts (or copy the lines of a real run), run that script, read what it
 * wrote, commit both files. A history that is there is never edited, nor recorded again. When `Run` gets another field, the
 * stored states do without it; when a field goes, or gets another value for the same history, that is a break.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { decide, emptyRun, evolve, isEnded, isEndType, restore } from '@runledger/run';
import type { AnyEvent, EventData, Run } from '@runledger/run';
import { everyCommand } from './sample-events.ts';

const folder = new URL('./histories/', import.meta.url);
const histories = readdirSync(folder).flatMap((version) =>
  readdirSync(new URL(`${version}/`, folder))
    .filter((file) => file.endsWith('.ndjson'))
    .map((file) => `${version}/${file.slice(0, -'.ndjson'.length)}`),
);

function linesOf(history: string): string[] {
  const text = readFileSync(new URL(`${history}.ndjson`, folder), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

function eventsOf(history: string): AnyEvent[] {
  return linesOf(history).map((line) => JSON.parse(line) as AnyEvent);
}

const folded = (history: string): Run => {
  const events = eventsOf(history);
  return events.reduce<Run>(evolve, emptyRun(events[0]?.run_id ?? ''));
};

it('there are golden histories', () => expect(histories.length).toBeGreaterThanOrEqual(8));

describe.each(histories)('%s', (history) => {
  it('is lines of the contract: keys in order, seq without holes, one attempt after the other', () => {
    const lines = linesOf(history);
    let attempt = 0;
    lines.forEach((line, index) => {
      const event = JSON.parse(line) as AnyEvent;
      expect(Object.keys(event)).toEqual(['seq', 'type', 'at', 'run_id', 'attempt', 'data']);
      expect(JSON.stringify(event)).toBe(line);
      expect(event.seq).toBe(index + 1);
      expect(event.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      if (event.type === 'run.started') attempt += 1;
      expect(event.attempt).toBe(attempt);
      expect(isEndType(event.type)).toBe(index === lines.length - 1);
    });
  });

  it('folds to its stored state', () => {
    const stored = JSON.parse(readFileSync(new URL(`${history}.state.json`, folder), 'utf8')) as Record<
      string,
      unknown
    >;
    const run: Record<string, unknown> = { ...folded(history) };
    expect(Object.fromEntries(Object.keys(stored).map((name) => [name, run[name]]))).toEqual(stored);
  });

  it('has ended, and takes nothing more', () => {
    const run = folded(history);
    expect(isEnded(run)).toBe(true);
    for (const command of everyCommand) expect(decide(command, run).refusal).toBeDefined();
  });

  it('folds alike from its checkpoint, and with events of a later version in between', () => {
    const events = eventsOf(history);
    const at = events.findIndex((event) => event.type === 'run.checkpointed');
    const { state, version } = (events[at]?.data ?? {
      state: emptyRun(''),
      version: 1,
    }) as EventData['run.checkpointed'];
    const restored = at < 0 ? undefined : restore(state, version);
    if (restored) expect(events.slice(at).reduce<Run>(evolve, restored)).toEqual(folded(history));
    const noisy = events.flatMap((event) => [event, { ...event, type: 'toast.burnt', data: { crumbs: 3 } }]);
    expect(noisy.reduce<Run>(evolve, emptyRun(events[0]?.run_id ?? ''))).toEqual(folded(history));
  });
});
