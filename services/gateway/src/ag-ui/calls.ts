import type { AnyEvent } from '@runledger/run';
import type { AgUiEvent } from './ag-ui-event.ts';
import { idIn } from './messages.ts';
import { asText, fieldsOf, textOf } from './recorded-data.ts';
import { silent, type Step } from './step.ts';
import type { TranslationState } from './translation-state.ts';

/** `tool.called` and `approval.requested`: the call, whole, the first time that it is heard of. `state` is before the event. */
export function showCall(state: TranslationState, event: AnyEvent): Step {
  const { call_id, name, args, turn } = fieldsOf(event.data);
  if (isKnown(state, textOf(call_id))) return silent(state);
  const toolCallId = idIn(state, textOf(call_id));
  const isOfLastText = turn !== undefined && state.lastText?.turn === turn;
  return {
    state,
    events: [
      {
        type: 'TOOL_CALL_START',
        toolCallId,
        toolCallName: textOf(name),
        ...(isOfLastText && state.lastText ? { parentMessageId: state.lastText.id } : {}),
      },
      { type: 'TOOL_CALL_ARGS', toolCallId, delta: asText(args ?? null) },
      { type: 'TOOL_CALL_END', toolCallId },
    ],
  };
}

export function showResult(state: TranslationState, event: AnyEvent): Step {
  const { call_id, result, is_error, outcome } = fieldsOf(event.data);
  const toolCallId = idIn(state, textOf(call_id));
  const shown: AgUiEvent = {
    type: 'TOOL_CALL_RESULT',
    messageId: `${toolCallId}:result`,
    toolCallId,
    content: asText(result ?? null),
    role: 'tool',
    metadata: { is_error: is_error === true, outcome: textOf(outcome) },
  };
  return { state, events: [shown] };
}

/** `approval.requested`: what is asked, and the call that it is about. */
export function showApproval(state: TranslationState, event: AnyEvent): Step {
  const { approval_id, name, reason } = fieldsOf(event.data);
  const call = showCall(state, event);
  const message = textOf(reason) || `May ${textOf(name) || 'this call'} be made?`;
  const asked = [...state.asked, { approval_id: textOf(approval_id), message }];
  return { state: { ...call.state, asked }, events: call.events };
}

const isKnown = ({ run }: TranslationState, call_id: string): boolean =>
  run.open_calls.some((call) => call.call_id === call_id) ||
  run.approvals.some((approval) => approval.call_id === call_id);
