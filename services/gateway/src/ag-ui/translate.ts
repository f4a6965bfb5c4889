import { type AnyEvent, evolve, isEndType, type Run } from '@runledger/run';
import { type AgUiEvent, PROTOCOL_VERSION, type RunOutcome } from './ag-ui-event.ts';
import { RUN_LABEL, THREAD_LABEL } from './ag-ui-labels.ts';
import { showApproval, showCall, showResult } from './calls.ts';
import { interruptsOf } from './interrupts.ts';
import { appendText, closeMessages, completeTurn, sayWhole } from './messages.ts';
import { asText, fieldsOf, millisecondsOf, textOf } from './recorded-data.ts';
import { inTurn, silent, type Step } from './step.ts';
import { endSubagent, restartSubagents, startSubagent, suspendSubagents } from './subagents.ts';
import type { TranslationState } from './translation-state.ts';

type Translate = (state: TranslationState, event: AnyEvent) => Step;

/**
 * What a stored event is in AG-UI, after everything before it. Pure and total: the same events give the same AG-UI events,
 * for every observer and every replay. An AG-UI run begins with the run and after each interrupt; whatever it opened is
 * closed before its end. Events of an unknown type, and those that AG-UI has no word for, are CUSTOM.
 */
export function translate(state: TranslationState, event: AnyEvent): Step {
  if (state.phase === 'ended') return silent(state);
  if (state.phase === 'between' && !beginsAgain(event)) {
    const run = evolve(state.run, event);
    return silent({ ...state, run, held: [...state.held, event] });
  }
  const step = state.phase === 'open' ? told(state, event) : begun(state, event);
  const timestamp = millisecondsOf(event.at);
  if (timestamp === undefined) return step;
  return { state: step.state, events: step.events.map((said) => ({ ...said, timestamp })) };
}

/** What brings a run back from an interrupt, or ends it. */
const beginsAgain = ({ type }: AnyEvent): boolean =>
  type === 'run.unparked' || type === 'run.started' || type === 'stop.requested' || isEndType(type);

/** The first event of an AG-UI run, with what was held back for it. */
function begun(before: TranslationState, event: AnyEvent): Step {
  const { held } = before;
  const named = before.phase === 'before' ? withNames(before, event) : before;
  const open: TranslationState = { ...named, phase: 'open', part: before.part + 1, held: [] };
  const heading = (state: TranslationState): Step => ({
    state,
    events: [started(state, event), stateOf(state, evolve(state.run, event), event)],
  });
  return inTurn(
    open,
    heading,
    restartSubagents,
    ...held.map((it) => (state: TranslationState) => handlerOf(it)(state, it)),
    (state) => toldOf(state, event),
  );
}

function told(state: TranslationState, event: AnyEvent): Step {
  const changes = changesOf(state.run, evolve(state.run, event));
  const delta: AgUiEvent[] = changes.length === 0 ? [] : [{ type: 'STATE_DELTA', delta: changes }];
  const step = toldOf(state, event);
  return { state: step.state, events: [...delta, ...step.events] };
}

/** The event's own part; the run goes on to be after it. */
function toldOf(state: TranslationState, event: AnyEvent): Step {
  const run = evolve(state.run, event);
  if (isEndType(event.type)) return ended({ ...state, run }, event);
  const step = handlerOf(event)(state, event);
  const after = { ...step.state, run };
  if (event.type !== 'run.parked') return { state: after, events: step.events };
  const stop = parked(after, event);
  return { state: stop.state, events: [...step.events, ...stop.events] };
}

const custom: Translate = (state, { type, seq, attempt, data }) => ({
  state,
  events: [{ type: 'CUSTOM', name: type, value: { seq, attempt, data: data ?? null } }],
});

const and =
  (...parts: Translate[]): Translate =>
  (state, event) =>
    inTurn(state, ...parts.map((part) => (it: TranslationState) => part(it, event)));

/** Text of an attempt that is over is not gone on with. */
const closing: Translate = (state) => closeMessages(state);

/** The message itself was said as text. */
const customTurn: Translate = (state, event) => {
  const { message: _said, ...data } = fieldsOf(event.data);
  return custom(state, { ...event, data });
};

const step: Translate = (state, { data }) => {
  const stepName = textOf(fieldsOf(data).name);
  return {
    state,
    events: [
      { type: 'STEP_STARTED', stepName },
      { type: 'STEP_FINISHED', stepName },
    ],
  };
};

const HANDLERS: ReadonlyMap<string, Translate> = new Map<string, Translate>([
  ['run.requested', silent],
  ['run.checkpointed', silent],
  ['run.started', and(closing, custom)],
  ['attempt.lost', and(closing, custom)],
  ['run.parked', and(closing, custom)],
  ['turn.completed', and(completeTurn, customTurn)],
  ['text.appended', appendText],
  ['tool.called', showCall],
  ['tool.returned', showResult],
  ['approval.requested', and(showApproval, custom)],
  ['milestone.reached', and(step, custom)],
  ['child.spawned', startSubagent],
  ['child.ended', endSubagent],
]);

const handlerOf = ({ type }: AnyEvent): Translate => HANDLERS.get(type) ?? custom;

/** The run waits. What only a person can give ends the AG-UI run; for the rest it goes on by itself. */
function parked(state: TranslationState, event: AnyEvent): Step {
  const interrupts = interruptsOf(state, event.data);
  if (interrupts.length === 0) return silent(state);
  const outcome: RunOutcome = { type: 'interrupt', interrupts };
  return inTurn(state, suspendSubagents, (it) => ({
    state: { ...it, phase: 'between' },
    events: [{ type: 'RUN_FINISHED', ...namesOf(it), outcome }],
  }));
}

function ended(state: TranslationState, event: AnyEvent): Step {
  const speaks = (it: TranslationState): Step => lastWords(it, event);
  return inTurn(state, closeMessages, speaks, suspendSubagents, (it) => ({
    state: { ...it, phase: 'ended' },
    events: [endOf(it, event)],
  }));
}

/** A run that said nothing on its way says its result. */
function lastWords(state: TranslationState, { type, data }: AnyEvent): Step {
  const { result } = fieldsOf(data);
  if (type !== 'run.succeeded' || state.hasSpoken || result === undefined || result === null)
    return silent(state);
  return sayWhole(state, 'result', asText(result), undefined);
}

function endOf(state: TranslationState, { type, data }: AnyEvent): AgUiEvent {
  const { result, error } = fieldsOf(data);
  if (type === 'run.succeeded') {
    const given = result === undefined || result === null ? {} : { result };
    return { type: 'RUN_FINISHED', ...namesOf(state), ...given, outcome: { type: 'success' } };
  }
  if (type === 'run.stopped')
    return { type: 'RUN_FINISHED', ...namesOf(state), outcome: { type: 'cancelled' } };
  const { code, detail, title } = fieldsOf(error);
  return {
    type: 'RUN_ERROR',
    message: textOf(detail) || textOf(title) || 'The run failed.',
    ...(textOf(code) === '' ? {} : { code: textOf(code) }),
  };
}

function withNames(state: TranslationState, event: AnyEvent): TranslationState {
  const { labels, root_run_id } = fieldsOf(event.data);
  const given = fieldsOf(labels);
  return {
    ...state,
    threadId: textOf(given[THREAD_LABEL]) || textOf(root_run_id) || state.run.run_id,
    runId: textOf(given[RUN_LABEL]) || state.run.run_id,
  };
}

/** The later AG-UI runs of a run are numbered: the id that resumes it is not in the log. */
const namesOf = ({ threadId, runId, part }: TranslationState): { threadId: string; runId: string } => ({
  threadId,
  runId: part <= 1 ? runId : `${runId}/${part}`,
});

function started(state: TranslationState, event: AnyEvent): AgUiEvent {
  const run = evolve(state.run, event);
  const before = state.part > 1 ? namesOf({ ...state, part: state.part - 1 }).runId : run.parent?.run_id;
  return {
    type: 'RUN_STARTED',
    ...namesOf(state),
    ...(before === undefined ? {} : { parentRunId: before }),
    protocolVersion: PROTOCOL_VERSION,
    metadata: { run_id: run.run_id, agent_id: run.agent_id, agent_revision: run.agent_revision },
  };
}

/** What the client's state says of the run, under `runledger`. */
function projection({ run_id, agent_id, status, waiting_on, attempt, turns }: Run): Record<string, unknown> {
  return { run_id, agent_id, status, waiting_on, attempt, turns };
}

function changesOf(before: Run, after: Run): { op: 'replace'; path: string; value: unknown }[] {
  const old = projection(before);
  return Object.entries(projection(after))
    .filter(([key, value]) => value !== old[key])
    .map(([key, value]) => ({ op: 'replace', path: `/runledger/${key}`, value }));
}

/** A snapshot holds the state that the client sent. Where that is not in the log, ours is added to what the client has. */
function stateOf(state: TranslationState, run: Run, event: AnyEvent): AgUiEvent {
  const runledger = projection(run);
  const { labels, input } = fieldsOf(event.data);
  const sent = fieldsOf(input).state;
  const isFromClient = textOf(fieldsOf(labels)[THREAD_LABEL]) !== '';
  if (state.part > 1 || (isFromClient && sent === undefined))
    return { type: 'STATE_DELTA', delta: [{ op: 'add', path: '/runledger', value: runledger }] };
  return { type: 'STATE_SNAPSHOT', snapshot: { ...(isFromClient ? fieldsOf(sent) : {}), runledger } };
}
