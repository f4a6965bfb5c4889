import type { JsonValue, ToolDefinition } from '@runledger/harness';
import { AgentFailed } from '@runledger/harness';
import { slowEffect, slowEffectOnce } from './slow-effect.ts';

export interface BuiltinTool {
  description: string;
  input_schema: JsonValue;
  idempotent: boolean;
  execute: (args: JsonValue, context: ToolContext) => JsonValue | Promise<JsonValue>;
}

export interface ToolContext {
  /** `<run>/<call>`: the same when the call is made again. */
  key: string;
  /** Aborted when the call's result can no longer be used. */
  signal: AbortSignal;
}

const clock: BuiltinTool = {
  description: 'Tells the time: {"time": RFC 3339, UTC}.',
  input_schema: { type: 'object', properties: {}, additionalProperties: false },
  idempotent: true,
  execute: () => ({ time: new Date().toISOString() }),
};

/** Tools compiled into the executor. */
export const BUILTIN_TOOLS: Record<string, BuiltinTool> = {
  clock,
  slow_effect: slowEffect,
  slow_effect_once: slowEffectOnce,
};

/** The built-in tool behind a definition; AgentFailed when this executor has none. */
export function toolFor(definition: ToolDefinition): BuiltinTool {
  const tool =
    definition.kind === 'builtin' && Object.hasOwn(BUILTIN_TOOLS, definition.name)
      ? BUILTIN_TOOLS[definition.name]
      : undefined;
  if (tool) return tool;
  throw new AgentFailed({
    code: 'tool_unavailable',
    category: 'agent',
    title: 'The agent has a tool that this executor cannot offer',
    detail: `tool "${definition.name}" is of kind ${definition.kind}`,
    remedy: `Use the built-in tools ${Object.keys(BUILTIN_TOOLS).join(', ')}.`,
    retryable: false,
  });
}
