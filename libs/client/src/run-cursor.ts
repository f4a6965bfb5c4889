import type { StoredEvent } from './api-shapes.ts';
import { parseStoredLine } from './stored-event.ts';

/** What a received line is to somebody who has every event up to the cursor. */
export type Reception =
  | { is: 'next'; event: StoredEvent }
  | { is: 'repeat' }
  /** Not usable: a hole before it, or damage. Whoever sent it must be asked again from the cursor. */
  | { is: 'wrong'; reason: string };

/** The last event that was passed on; lets nothing through but the one after it. */
export class RunCursor {
  #seq: number;

  constructor(
    readonly runId: string,
    after: number,
  ) {
    this.#seq = after;
  }

  get seq(): number {
    return this.#seq;
  }

  /** `id` is the frame's, when it came in one. */
  receive(line: string, id?: string): Reception {
    const event = parseStoredLine(line, this.runId);
    if (event === null) return { is: 'wrong', reason: `a frame after event ${this.#seq} is damaged` };
    if (id !== undefined && id !== String(event.seq))
      return { is: 'wrong', reason: `a frame has id ${JSON.stringify(id)} and carries event ${event.seq}` };
    if (event.seq <= this.#seq) return { is: 'repeat' };
    if (event.seq > this.#seq + 1)
      return { is: 'wrong', reason: `event ${event.seq} came after event ${this.#seq}` };
    this.#seq = event.seq;
    return { is: 'next', event };
  }
}
