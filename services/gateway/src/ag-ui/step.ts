import type { AgUiEvent } from './ag-ui-event.ts';
import type { TranslationState } from './translation-state.ts';

/** What one event leads to. */
export interface Step {
  state: TranslationState;
  events: AgUiEvent[];
}

export const silent = (state: TranslationState): Step => ({ state, events: [] });

/** One after the other. */
export function inTurn(state: TranslationState, ...parts: ((state: TranslationState) => Step)[]): Step {
  return parts.reduce<Step>((before, part) => {
    const after = part(before.state);
    return { state: after.state, events: [...before.events, ...after.events] };
  }, silent(state));
}
