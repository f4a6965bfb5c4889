import type { Run } from '@runledger/run';
import type { Interrupt } from './ag-ui-event.ts';
import { idIn } from './messages.ts';
import { fieldsOf, textOf } from './recorded-data.ts';
import type { TranslationState } from './translation-state.ts';

/** The payload of a resume entry that answers an approval. */
export const APPROVAL_ANSWER = {
  type: 'object',
  properties: { approved: { type: 'boolean' }, reason: { type: 'string', maxLength: 2000 } },
  required: ['approved'],
  additionalProperties: false,
};

export type InterruptKind = 'approval' | 'unknown_outcome' | 'budget' | 'pause';

export const interruptId = (run_id: string, kind: InterruptKind, id: string): string =>
  `${run_id}:${kind}:${id}`;

/** What a parked run waits for that only a person can give. `data` is that of `run.parked`, `state` after it. */
export function interruptsOf(state: TranslationState, data: unknown): Interrupt[] {
  const { reason, detail } = fieldsOf(data);
  const { run } = state;
  const told = textOf(detail) === '' ? {} : { message: textOf(detail) };
  const alone: Interrupt[] =
    reason === 'budget' || reason === 'pause'
      ? [{ id: interruptId(run.run_id, reason, String(run.seq)), reason, ...told }]
      : [];
  return [...approvals(state, run), ...unknownOutcomes(state, run), ...alone];
}

function approvals(state: TranslationState, run: Run): Interrupt[] {
  return run.approvals
    .filter((approval) => approval.state === 'open')
    .map(({ approval_id, call_id, due_at }) => ({
      id: interruptId(run.run_id, 'approval', approval_id),
      reason: 'approval',
      message: state.asked.find((asked) => asked.approval_id === approval_id)?.message ?? '',
      toolCallId: idIn(state, call_id),
      responseSchema: APPROVAL_ANSWER,
      expiresAt: due_at,
    }));
}

function unknownOutcomes(state: TranslationState, run: Run): Interrupt[] {
  return run.open_calls
    .filter((call) => call.state === 'unknown')
    .map(({ call_id, name }) => ({
      id: interruptId(run.run_id, 'unknown_outcome', call_id),
      reason: 'unknown_outcome',
      message: `It is not known whether ${name} was done.`,
      toolCallId: idIn(state, call_id),
    }));
}
