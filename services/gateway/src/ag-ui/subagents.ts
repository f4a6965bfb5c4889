import type { AnyEvent } from '@runledger/run';
import type { AgUiEvent } from './ag-ui-event.ts';
import { fieldsOf, textOf } from './recorded-data.ts';
import { silent, type Step } from './step.ts';
import type { TranslationState } from './translation-state.ts';

/** `child.spawned`. `state` is before the event; a repeat says nothing. */
export function startSubagent(state: TranslationState, event: AnyEvent): Step {
  const { child_run_id, agent_id } = fieldsOf(event.data);
  const subagent = { id: textOf(child_run_id), name: textOf(agent_id) };
  if (state.run.children.some((child) => child.child_run_id === subagent.id)) return silent(state);
  if (state.subagents.some((open) => open.id === subagent.id)) return silent(state);
  return {
    state: { ...state, subagents: [...state.subagents, subagent] },
    events: [{ type: 'SUBAGENT_STARTED', subagentRunId: subagent.id, name: subagent.name }],
  };
}

/** `child.ended`, of a child that was started and has not ended. */
export function endSubagent(state: TranslationState, event: AnyEvent): Step {
  const data = fieldsOf(event.data);
  const id = textOf(data.child_run_id);
  if (!state.subagents.some((open) => open.id === id)) return silent(state);
  return {
    state: { ...state, subagents: state.subagents.filter((open) => open.id !== id) },
    events: [endOf(id, data)],
  };
}

function endOf(subagentRunId: string, { status, result, error }: ReturnType<typeof fieldsOf>): AgUiEvent {
  if (status === 'success') {
    const given = result === undefined || result === null ? {} : { result };
    return { type: 'SUBAGENT_FINISHED', subagentRunId, ...given, outcome: { type: 'success' } };
  }
  if (status === 'stopped')
    return { type: 'SUBAGENT_ERROR', subagentRunId, message: 'The run was stopped.', code: 'stopped' };
  const { code, detail, title } = fieldsOf(error);
  return {
    type: 'SUBAGENT_ERROR',
    subagentRunId,
    message: textOf(detail) || textOf(title) || 'The run failed.',
    ...(textOf(code) === '' ? {} : { code: textOf(code) }),
  };
}

/** The AG-UI run ends while they go on. They stay in the state: a next AG-UI run begins with them. */
export function suspendSubagents(state: TranslationState): Step {
  const events = state.subagents.map(({ id }): AgUiEvent => ({
    type: 'SUBAGENT_FINISHED',
    subagentRunId: id,
    outcome: { type: 'suspended' },
  }));
  return { state, events };
}

export function restartSubagents(state: TranslationState): Step {
  const events = state.subagents.map(({ id, name }): AgUiEvent => ({
    type: 'SUBAGENT_STARTED',
    subagentRunId: id,
    name,
  }));
  return { state, events };
}
