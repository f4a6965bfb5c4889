/** The AG-UI 1.0 events that a run is translated into. Optional fields are left out, never null. */

export const PROTOCOL_VERSION = '1.0';

export interface Interrupt {
  id: string;
  /** What the run waits for. */
  reason: string;
  message?: string;
  toolCallId?: string;
  /** JSON Schema of a resume entry's payload; absent: it takes none. */
  responseSchema?: Record<string, unknown>;
  expiresAt?: string;
}

export type RunOutcome =
  { type: 'success' } | { type: 'cancelled' } | { type: 'interrupt'; interrupts: Interrupt[] };

export type PatchOperation = { op: 'add' | 'replace'; path: string; value: unknown };

interface Fields {
  RUN_STARTED: {
    threadId: string;
    runId: string;
    parentRunId?: string;
    protocolVersion: string;
    metadata: Record<string, unknown>;
  };
  RUN_FINISHED: { threadId: string; runId: string; result?: unknown; outcome: RunOutcome };
  RUN_ERROR: { message: string; code?: string };
  STEP_STARTED: { stepName: string };
  STEP_FINISHED: { stepName: string };
  TEXT_MESSAGE_START: { messageId: string; role: 'assistant' };
  TEXT_MESSAGE_CONTENT: { messageId: string; delta: string };
  TEXT_MESSAGE_END: { messageId: string };
  REASONING_START: { messageId: string };
  REASONING_MESSAGE_START: { messageId: string; role: 'reasoning' };
  REASONING_MESSAGE_CONTENT: { messageId: string; delta: string };
  REASONING_MESSAGE_END: { messageId: string };
  REASONING_END: { messageId: string };
  TOOL_CALL_START: { toolCallId: string; toolCallName: string; parentMessageId?: string };
  TOOL_CALL_ARGS: { toolCallId: string; delta: string };
  TOOL_CALL_END: { toolCallId: string };
  TOOL_CALL_RESULT: {
    messageId: string;
    toolCallId: string;
    content: string;
    role: 'tool';
    metadata: { is_error: boolean; outcome: string };
  };
  STATE_SNAPSHOT: { snapshot: Record<string, unknown> };
  STATE_DELTA: { delta: PatchOperation[] };
  SUBAGENT_STARTED: { subagentRunId: string; name: string };
  SUBAGENT_FINISHED: {
    subagentRunId: string;
    result?: unknown;
    outcome: { type: 'success' } | { type: 'suspended' };
  };
  SUBAGENT_ERROR: { subagentRunId: string; message: string; code?: string };
  CUSTOM: { name: string; value: unknown };
}

/** `timestamp` is when the stored event happened, in ms since 1970. */
export type AgUiEvent = { [T in keyof Fields]: { type: T; timestamp?: number } & Fields[T] }[keyof Fields];

/** Whether an AG-UI run is over after this. */
export const isTerminal = ({ type }: AgUiEvent): boolean => type === 'RUN_FINISHED' || type === 'RUN_ERROR';
