import { isId } from '@runledger/wire';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { RunId } from '../runs/run-path.ts';
import type { StartRequest } from '../runs/start/start-request.ts';
import { RUN_LABEL, THREAD_LABEL } from './ag-ui-labels.ts';
import { fieldsOf } from './recorded-data.ts';

const Name = z.string().min(1).max(255);

const Message = z.looseObject({
  id: z.string(),
  role: z.enum(['developer', 'system', 'assistant', 'user', 'tool', 'activity', 'reasoning']),
});

const ResumeEntry = z.looseObject({
  interruptId: z.string().max(400),
  status: z.enum(['resolved', 'cancelled']),
  payload: z.unknown().optional(),
});
export type ResumeEntry = z.infer<typeof ResumeEntry>;

/** AG-UI's RunAgentInput. What is inside of messages, tools and context is the agent's business. */
export const RunAgentInput = z.strictObject({
  threadId: Name,
  runId: Name.meta({ description: 'The same one starts one run, however often it is sent' }),
  parentRunId: Name.optional(),
  protocolVersion: z.string().max(20).optional(),
  messages: z.array(Message),
  state: z.unknown().optional(),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  context: z.array(z.looseObject({ description: z.string(), value: z.string() })).default([]),
  forwardedProps: z.unknown().optional(),
  resume: z.array(ResumeEntry).max(100).optional().meta({
    description: 'Answers to the interrupts of an earlier run of the thread; nothing new is started',
  }),
});
export type RunAgentInput = z.infer<typeof RunAgentInput>;

/** The run that an AG-UI run starts. */
export const startOf = (agent_id: string, input: RunAgentInput): StartRequest => ({
  agent_id,
  input: inputOf(input),
  env: {},
  limits: {},
  labels: { [THREAD_LABEL]: input.threadId, [RUN_LABEL]: input.runId },
  priority: 0,
  trace: false,
});

/** Hides the client's id, which may be any text, in a key of visible ASCII. */
export const keyOf = ({ runId }: Pick<RunAgentInput, 'runId'>): string =>
  `ag-ui:${createHash('sha256').update(runId).digest('hex')}`;

/**
 * The agent's input: `forwardedProps.input` where it is given; else the text of a lone user message; else all of the
 * conversation with what belongs to it.
 */
export function inputOf({ messages, state, tools, context, forwardedProps }: RunAgentInput): unknown {
  const forwarded = fieldsOf(forwardedProps);
  if (Object.hasOwn(forwarded, 'input')) return forwarded.input;
  const rest = {
    ...filled('state', ownState(state)),
    ...filled('tools', tools),
    ...filled('context', context),
    ...filled('forwarded_props', forwardedProps),
  };
  const [only, ...others] = messages;
  if (only?.role === 'user' && others.length === 0 && Object.keys(rest).length === 0)
    if (typeof only.content === 'string') return only.content;
  return { messages, ...rest };
}

/** What a run said of itself in an earlier answer is not the client's state. */
function ownState(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) return state;
  const { runledger: _said, ...own } = state as Record<string, unknown>;
  return own;
}

function filled(name: string, value: unknown): Record<string, unknown> {
  const isEmpty =
    value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
  return isEmpty ? {} : { [name]: value };
}

/** `<run id>:<kind>:<id>`, as `interruptId` makes it. */
export function interruptOf(text: string): { run_id: string; kind: string; id: string } | undefined {
  const [run_id = '', kind = '', ...id] = text.split(':');
  return isId('run_id', run_id) && RunId.safeParse(run_id).success && id.length > 0
    ? { run_id, kind, id: id.join(':') }
    : undefined;
}
