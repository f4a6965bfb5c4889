import { enforceEvents, verifyEvents } from '@ag-ui/client';
import type { AnyEvent } from '@runledger/run';
import { from, lastValueFrom, toArray } from 'rxjs';
import type { AgUiEvent } from '../../src/ag-ui/ag-ui-event.ts';
import { translate } from '../../src/ag-ui/translate.ts';
import { beforeTheFirst } from '../../src/ag-ui/translation-state.ts';

type Pipe = (source: unknown) => unknown;

/** Passes when AG-UI's own client takes the events; every warning of its is an error too. Answers what it let through. */
export async function verified(events: readonly AgUiEvent[]): Promise<AgUiEvent[]> {
  return withoutWarnings(async () => {
    const checks = [enforceEvents(), verifyEvents()] as unknown as Pipe[];
    // The client brings its own copy of rxjs: alike at run time, another type.
    const source = from(structuredClone([...events])) as unknown;
    const checked = checks.reduce((stream, check) => check(stream), source) as ReturnType<
      typeof from<AgUiEvent[]>
    >;
    return lastValueFrom(checked.pipe(toArray()), { defaultValue: [] as AgUiEvent[] });
  });
}

/** Rejects when anything was written to the console as a warning meanwhile. */
export async function withoutWarnings<T>(work: () => Promise<T>): Promise<T> {
  const warn = console.warn;
  const said: unknown[] = [];
  console.warn = (...words: unknown[]) => said.push(words);
  try {
    const done = await work();
    if (said.length > 0) throw new Error(`the client warned: ${JSON.stringify(said)}`);
    return done;
  } finally {
    console.warn = warn;
  }
}

/** All of a history, one list per stored event. */
export function translated(history: readonly AnyEvent[]): AgUiEvent[][] {
  let state = beforeTheFirst(history[0]?.run_id ?? '');
  return history.map((event) => {
    const step = translate(state, event);
    state = step.state;
    return step.events;
  });
}
