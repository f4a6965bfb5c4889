import type { AnyEvent } from '@runledger/run';
import type { AgUiEvent } from './ag-ui-event.ts';
import { fieldsOf, messageText, textOf } from './recorded-data.ts';
import type { Step } from './step.ts';
import type { TranslationState } from './translation-state.ts';

type Open = TranslationState['messages'][number];

/** Message and call ids are a run's own; a thread holds many runs. */
export const idIn = ({ run }: TranslationState, id: string): string => `${run.run_id}:${id}`;

/** `text.appended`: opens the message where it is not open yet. */
export function appendText(state: TranslationState, event: AnyEvent): Step {
  const { message_id, turn, channel, text } = fieldsOf(event.data);
  const isReasoning = channel === 'reasoning';
  const own = textOf(message_id) || `turn-${String(turn)}`;
  const id = idIn(state, isReasoning ? `${own}-reasoning` : own);
  const message: Open = { id, turn, channel: isReasoning ? 'reasoning' : 'text' };
  const isOpen = state.messages.some((open) => open.id === id);
  const content: AgUiEvent = {
    type: isReasoning ? 'REASONING_MESSAGE_CONTENT' : 'TEXT_MESSAGE_CONTENT',
    messageId: id,
    delta: textOf(text),
  };
  return {
    events: [...(isOpen ? [] : opening(message)), content],
    state: {
      ...state,
      messages: isOpen ? state.messages : [...state.messages, message],
      ...(isReasoning ? {} : { lastText: { id, turn }, hasSpoken: true }),
    },
  };
}

/** `turn.completed`: closes what the turn said; a turn that streamed nothing says its message now. */
export function completeTurn(state: TranslationState, event: AnyEvent): Step {
  const { turn, message } = fieldsOf(event.data);
  const streamed = state.messages.some((open) => open.turn === turn && open.channel === 'text');
  const closed = closeMessages(state, (open) => open.turn === turn);
  const text = streamed ? '' : messageText(message);
  if (text === '') return closed;
  const said = sayWhole(closed.state, `turn-${String(turn)}`, text, turn);
  return { state: said.state, events: [...closed.events, ...said.events] };
}

export function sayWhole(state: TranslationState, own: string, text: string, turn: unknown): Step {
  const id = idIn(state, own);
  return {
    state: { ...state, lastText: { id, turn }, hasSpoken: true },
    events: [
      ...opening({ id, turn, channel: 'text' }),
      { type: 'TEXT_MESSAGE_CONTENT', messageId: id, delta: text },
      ...closing({ id, turn, channel: 'text' }),
    ],
  };
}

export function closeMessages(state: TranslationState, which: (open: Open) => boolean = () => true): Step {
  return {
    state: { ...state, messages: state.messages.filter((open) => !which(open)) },
    events: state.messages.filter(which).flatMap(closing),
  };
}

function opening({ id, channel }: Open): AgUiEvent[] {
  if (channel === 'text') return [{ type: 'TEXT_MESSAGE_START', messageId: id, role: 'assistant' }];
  return [
    { type: 'REASONING_START', messageId: id },
    { type: 'REASONING_MESSAGE_START', messageId: id, role: 'reasoning' },
  ];
}

function closing({ id, channel }: Open): AgUiEvent[] {
  if (channel === 'text') return [{ type: 'TEXT_MESSAGE_END', messageId: id }];
  return [
    { type: 'REASONING_MESSAGE_END', messageId: id },
    { type: 'REASONING_END', messageId: id },
  ];
}
