import {
  AgentFailed,
  type HarnessContext,
  type JsonValue,
  type ModelCall,
  type UpFrame,
} from '@runledger/harness';
import { toolFor } from '../../tools/builtin-tools.ts';

type Call = Extract<UpFrame, { type: 'call' }>;
type Params = Call['params'];

interface OpenStep {
  resolve: (value: JsonValue) => void;
  reject: (error: Error) => void;
}

/** Calls of a child process, carried out at the boundary. A step spans two calls: it is begun, and it is done. */
export class ChildCalls {
  readonly #steps = new Map<string, OpenStep>();
  readonly #recorded = new Map<string, Promise<JsonValue>>();
  #count = 0;

  constructor(private readonly context: HarnessContext) {}

  /** The value that answers the call; rejects with what the boundary, or a wrong call, threw. */
  answer({ method, params }: Call): Promise<JsonValue> {
    const { boundary } = this.context;
    switch (method) {
      case 'model':
        return boundary.callModel(modelCall(params)) as Promise<unknown> as Promise<JsonValue>;
      case 'tool':
        return this.#tool(text(params, 'name'), params.args ?? {});
      case 'step':
        return this.#begin(text(params, 'name'), params.args ?? null);
      case 'step_done':
        return this.#done(params);
      case 'data':
        return boundary.data(text(params, 'op') as 'get', text(params, 'namespace'), params);
      case 'agent':
        return boundary.callAgent(text(params, 'agent_id'), params.input ?? null);
      case 'now':
        return boundary.now();
      case 'random':
        return boundary.random();
    }
  }

  /** Steps that the process has begun and will never finish. */
  abandon(): void {
    for (const step of this.#steps.values())
      step.reject(
        new AgentFailed({
          code: 'agent_exit',
          category: 'agent',
          title: 'The agent ended',
          detail: 'it ended inside a step',
          remedy: 'Look at what the agent printed.',
          retryable: false,
        }),
      );
    this.#steps.clear();
  }

  async #tool(name: string, args: JsonValue): Promise<JsonValue> {
    const definition = this.context.agent.tools?.find((one) => one.name === name);
    const tool = definition ? toolFor(definition) : undefined;
    const idempotent = definition?.idempotent ?? tool?.idempotent ?? true;
    const { result, is_error } = await this.context.boundary.callTool(
      { name, args, idempotent },
      async (key) => {
        if (!tool) throw new Error(`the agent has no tool "${name}"`);
        return tool.execute(args, { key, signal: this.context.signal });
      },
    );
    if (is_error) throw new Error(JSON.stringify(result));
    return result;
  }

  #begin(name: string, args: JsonValue): Promise<JsonValue> {
    const token = `s${++this.#count}`;
    return new Promise((answer, refuse) => {
      const recorded = this.context.boundary.step(
        name,
        args,
        () =>
          new Promise<JsonValue>((resolve, reject) => {
            this.#steps.set(token, { resolve, reject });
            answer({ execute: true, token });
          }),
      );
      this.#recorded.set(token, recorded);
      recorded.then((result) => answer({ execute: false, result }), refuse);
    });
  }

  async #done(params: Params): Promise<JsonValue> {
    const token = text(params, 'token');
    const step = this.#steps.get(token);
    if (!step) throw new Error(`no step ${token} is open`);
    this.#steps.delete(token);
    if (params.ok === true) step.resolve(params.value ?? null);
    else step.reject(new Error(typeof params.message === 'string' ? params.message : 'the step failed'));
    const recorded = this.#recorded.get(token) ?? null;
    this.#recorded.delete(token);
    return recorded;
  }
}

function modelCall(params: Params): ModelCall {
  const { messages, model, settings } = params;
  if (!Array.isArray(messages) || messages.length === 0)
    throw new Error('a model call has at least one message');
  return {
    messages: messages as unknown as ModelCall['messages'],
    ...(typeof model === 'string' ? { model } : {}),
    ...(typeof settings === 'object' && settings !== null
      ? { settings: settings as NonNullable<ModelCall['settings']> }
      : {}),
  };
}

function text(params: Params, key: string): string {
  const value = params[key];
  if (typeof value !== 'string' || value.length === 0) throw new Error(`"${key}" is not a text`);
  return value;
}
