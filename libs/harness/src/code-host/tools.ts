import type { JsonValue, ModelAnswer, ModelCall } from '../port.ts';
import type { Channel } from './channel.ts';

/** Longer than what an event keeps of a line. */
const LINE_SHOWN = 64 * 1024;
export const cutLine = (line: string): string => line.slice(0, LINE_SHOWN);

type Level = 'debug' | 'info' | 'warn' | 'error';

/** What a `code` agent is given beside its input. */
export interface AgentTools {
  readonly run_id: string;
  readonly attempt: number;
  /** True once a stop has been asked for: the next call will throw AgentStopped. */
  readonly stopping: boolean;
  /** What people said to the run since the last look; new ones arrive with the answer of a call. */
  nudges(): string[];
  /** A model call by messages, or by one prompt. */
  callLlm(call: string | (Partial<ModelCall> & { prompt?: string; system?: string })): Promise<ModelAnswer>;
  /** A tool of the agent's definition, by name. */
  callTool(name: string, args?: JsonValue): Promise<JsonValue>;
  /** Runs `work` once for these arguments, ever: its result is recorded, and returned when the run is resumed. */
  step<T extends JsonValue | undefined | void>(
    name: string,
    ...rest: [work: () => T | Promise<T>] | [args: JsonValue, work: () => T | Promise<T>]
  ): Promise<JsonValue>;
  callAgent(agentId: string, input: JsonValue): Promise<JsonValue>;
  dataStore: {
    get(namespace: string, key: string): Promise<JsonValue>;
    set(namespace: string, key: string, value: JsonValue): Promise<JsonValue>;
    delete(namespace: string, key: string): Promise<JsonValue>;
    list(namespace: string, prefix?: string): Promise<JsonValue>;
  };
  log(message: string, level?: Level): void;
  milestone(name: string, detail?: string): void;
  now(): Promise<number>;
  random(): Promise<number>;
}

export function toolsFor(
  channel: Channel,
  run: { run_id: string; attempt: number; stopping: boolean; nudges: string[] },
): AgentTools {
  return {
    get run_id() {
      return run.run_id;
    },
    get attempt() {
      return run.attempt;
    },
    get stopping() {
      return run.stopping;
    },
    nudges: () => run.nudges.splice(0),
    callLlm: async (call) => (await channel.call('model', modelCall(call))) as unknown as ModelAnswer,
    callTool: (name, args = {}) => channel.call('tool', { name, args }),
    step: (name, ...rest) =>
      rest.length === 1 ? step(channel, name, null, rest[0]) : step(channel, name, rest[0], rest[1]),
    callAgent: (agentId, input) => channel.call('agent', { agent_id: agentId, input }),
    dataStore: {
      get: (namespace, key) => channel.call('data', { op: 'get', namespace, key }),
      set: (namespace, key, value) => channel.call('data', { op: 'set', namespace, key, value }),
      delete: (namespace, key) => channel.call('data', { op: 'delete', namespace, key }),
      list: (namespace, prefix = '') => channel.call('data', { op: 'list', namespace, prefix }),
    },
    log: (message, level = 'info') =>
      channel.send({
        type: 'event',
        event: 'log',
        level,
        source: 'agent',
        message: cutLine(String(message)),
      }),
    milestone: (name, detail = '') =>
      channel.send({
        type: 'event',
        event: 'milestone',
        name: cutLine(String(name)),
        detail: cutLine(String(detail)),
      }),
    now: async () => (await channel.call('now', {})) as number,
    random: async () => (await channel.call('random', {})) as number,
  };
}

async function step(
  channel: Channel,
  name: string,
  args: JsonValue,
  work: () => unknown,
): Promise<JsonValue> {
  const begun = (await channel.call('step', { name, args })) as {
    execute: boolean;
    token?: string;
    result?: JsonValue;
  };
  if (!begun.execute) return begun.result ?? null;
  const token = begun.token ?? '';
  let done: { [key: string]: JsonValue };
  let failure: unknown;
  try {
    done = { token, ok: true, value: ((await work()) ?? null) as JsonValue };
  } catch (error) {
    failure = error;
    done = { token, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const recorded = await channel.call('step_done', done);
  if (failure !== undefined) throw failure as Error;
  return recorded;
}

function modelCall(call: Parameters<AgentTools['callLlm']>[0]): { [key: string]: JsonValue } {
  const {
    prompt,
    system,
    messages = [],
    model,
    settings,
  } = typeof call === 'string' ? { prompt: call } : call;
  const all = [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    ...messages,
    ...(prompt === undefined ? [] : [{ role: 'user', content: prompt }]),
  ] as JsonValue[];
  return {
    messages: all,
    ...(model === undefined ? {} : { model }),
    ...(settings === undefined ? {} : { settings: settings }),
  };
}
