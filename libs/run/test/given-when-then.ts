import { expect } from '@jest/globals';
import { decide, emptyRun, evolve, number } from '@runledger/run';
import type { Command, Decision, DraftEvent, EventType, RefusalCode, Run } from '@runledger/run';

export const AT = '2026-11-21T10:00:00.000Z';

/** An expected event: its type, and as much of its data as the story is about. */
export type Expected = EventType | [type: EventType, data: Record<string, unknown>];

export function fold(run: Run, drafts: readonly DraftEvent[]): Run {
  return number(run, drafts, AT).reduce<Run>(evolve, run);
}

/** given(events).when(command).thenEvents(...) | thenNothing() | thenRefused(code); an accepted story goes on with `when`. */
export function given(...drafts: DraftEvent[]): Story {
  return new Story(fold(emptyRun('R'), drafts));
}

export class Story {
  constructor(readonly run: Run) {}

  when(command: Command): Outcome {
    return new Outcome(this.run, decide(command, this.run));
  }
}

class Outcome {
  constructor(
    private readonly run: Run,
    private readonly decision: Decision,
  ) {}

  thenEvents(...expected: Expected[]): Story {
    expect(this.decision.refusal).toBeUndefined();
    const events = this.decision.events ?? [];
    expect(events.map((event) => event.type)).toEqual(
      expected.map((one) => (typeof one === 'string' ? one : one[0])),
    );
    expected.forEach((one, index) => {
      if (typeof one !== 'string') expect(events[index]?.data).toMatchObject(one[1]);
    });
    return new Story(fold(this.run, events));
  }

  thenNothing(): Story {
    expect(this.decision).toEqual({ events: [] });
    return new Story(this.run);
  }

  thenRefused(code: RefusalCode): void {
    expect(this.decision.events).toBeUndefined();
    expect(this.decision.refusal?.code).toBe(code);
    expect(this.decision.refusal?.detail).not.toBe('');
  }
}
