import type { StoredLine } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import { type AgUiEvent, isTerminal } from './ag-ui-event.ts';
import type { AgUiCursor } from './ag-ui-cursor.ts';
import { translate } from './translate.ts';
import { beforeTheFirst, type TranslationState } from './translation-state.ts';

export interface Frame {
  text: string;
  event: AgUiEvent;
}

/** A run's stored events, from its first on and in order, as SSE frames of AG-UI events after a cursor. */
export class RunFrames {
  #state: TranslationState;

  constructor(
    run_id: string,
    private readonly after: AgUiCursor,
  ) {
    this.#state = beforeTheFirst(run_id);
  }

  get state(): TranslationState {
    return this.#state;
  }

  next({ seq, line }: StoredLine): Frame[] {
    const { state, events } = translate(this.#state, decodeEvent(line));
    this.#state = state;
    if (seq < this.after.seq) return [];
    const seen = seq > this.after.seq ? 0 : (this.after.part ?? events.length);
    return events.map((event, at) => frameOf(event, idOf(seq, at, events.length))).slice(seen);
  }
}

const idOf = (seq: number, at: number, count: number): string =>
  at === count - 1 ? String(seq) : `${seq}.${at + 1}`;

/** JSON holds no line break of its own, and lines end with LF alone: AG-UI clients do not take CRLF. */
const frameOf = (event: AgUiEvent, id: string): Frame => ({
  text: `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`,
  event,
});

/** The frames up to the end of an AG-UI run, and whether that was it. */
export function untilTerminal(frames: Frame[]): { frames: Frame[]; over: boolean } {
  const at = frames.findIndex(({ event }) => isTerminal(event));
  return at < 0 ? { frames, over: false } : { frames: frames.slice(0, at + 1), over: true };
}
