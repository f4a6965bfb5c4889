/**
 * The two ports of an agent: the Harness (the engine that thinks) and the Boundary (everything that an engine may do
 * to the world). The executor owns the Boundary: it checks stop, budget and policy on entry, matches recorded
 * results by index, and records new ones before it answers.
 */

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

export type AgentKind = 'llm' | 'builtin' | 'code' | 'process' | 'http' | 'pi';

/** One tool an agent may call. `http` tools are requests, `builtin` ones are compiled into the executor. */
export interface ToolDefinition {
  name: string;
  kind: 'http' | 'builtin' | 'mcp';
  description?: string;
  input_schema?: JsonValue;
  idempotent?: boolean;
  url?: string;
  method?: string;
}

/** An agent as it is stored. snake_case: it is the public form of `PUT /agents/{agent_id}`. */
export interface AgentDefinition {
  agent_id: string;
  name: string;
  description: string;
  kind: AgentKind;
  instructions?: string;
  /** `provider/model`; `offline/<script>` needs no key and no network. */
  model?: string;
  llm_settings?: {
    per_model: Record<
      string,
      { max_tokens?: number; temperature?: number; top_p?: number; reasoning_effort?: string }
    >;
  };
  tools?: ToolDefinition[];
  input_schema?: JsonValue;
  output_schema?: JsonValue;
  env_vars?: { key: string; value: string; description?: string }[];
  limits?: {
    max_turns?: number;
    max_cost_usd?: number;
    timeout_s?: number;
    max_attempts?: number;
    /** What happens at `max_cost_usd`: the run waits until the limit is raised (the default), or it fails. */
    on_budget?: 'wait' | 'fail';
  };
  /** `builtin`: the engine's name. */
  builtin?: string;
  /** `code`: the module's source. */
  code?: string;
  /** `process`: the command and its arguments. */
  command?: string[];
  callable_agents?: string[];
}

export interface ModelMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: JsonValue;
}

export interface ModelCall {
  model?: string;
  messages: ModelMessage[];
  settings?: { max_tokens?: number; temperature?: number };
}

export interface ModelUsage {
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  /** US dollars as a decimal string. */
  cost_usd: string;
}

/** What a model call will cost is estimated from. */
export interface PaidCall {
  boundary: string;
  model: string;
  messages: readonly { role: string; content: unknown }[];
  max_tokens?: number | undefined;
}

export interface ModelAnswer {
  text: string;
  finish_reason: string;
  usage: ModelUsage;
}

/**
 * What an engine may do. Every method throws `AgentStopped` on entry once a stop is requested, and resolves only
 * when what it did is on disk.
 */
export interface Boundary {
  /** The index that the next call will have. */
  readonly position: number;
  callModel(call: ModelCall): Promise<ModelAnswer>;
  callTool(
    call: { name: string; args: JsonValue; idempotent: boolean; turn?: number; call_id?: string },
    execute: (key: string) => Promise<JsonValue>,
  ): Promise<{ result: JsonValue; is_error: boolean }>;
  /** A side effect of the agent's own, recorded once by name and arguments. */
  step(name: string, args: JsonValue, execute: () => Promise<JsonValue>): Promise<JsonValue>;
  data(
    op: 'get' | 'set' | 'delete' | 'list',
    namespace: string,
    args: { key?: string; value?: JsonValue; prefix?: string },
  ): Promise<JsonValue>;
  callAgent(agent_id: string, input: JsonValue): Promise<JsonValue>;
  /** Recorded wall clock, milliseconds since the epoch. */
  now(): Promise<number>;
  random(): Promise<number>;
  milestone(name: string, detail: string): Promise<void>;
  log(
    level: 'debug' | 'info' | 'warn' | 'error',
    source: 'agent' | 'stdout' | 'stderr' | 'system',
    message: string,
  ): Promise<void>;
  /** The bare check, for engines between turns. */
  check(boundary: string): Promise<void>;
}

/** A recorded event as an engine sees it when it resumes. */
export interface RecordedEvent {
  seq: number;
  type: string;
  attempt: number;
  data: unknown;
}

export interface HarnessContext {
  run_id: string;
  tenant_id: string;
  user_id: string;
  attempt: number;
  depth: number;
  trace: boolean;
  agent: AgentDefinition;
  /** How many turns the run may have, as of now; asked before turn `turn`. `null`: the run has no limit of its own. */
  turnsAllowed(turn: number): Promise<number | null>;
  input: JsonValue;
  /** The agent's env_vars overlaid with the start's `env`. */
  env: Record<string, string>;
  /** Every event of the run so far, oldest first; empty in the first attempt but for `run.requested` and `run.started`. */
  history: readonly RecordedEvent[];
  boundary: Boundary;
  /** Appends progress that is not a boundary's (turn.*, text.appended, nudge.acknowledged); resolves when on disk. */
  emit(events: readonly { type: string; data: unknown }[]): Promise<void>;
  /**
   * One model call that is paid for: its estimate is reserved before, its cost is settled after and put into the
   * usage. `max_tokens` of the answer is given to the work where a limit of money is in force. Throws what the gate
   * throws, or AgentFailed `budget_exhausted`.
   */
  paid<T extends { usage: ModelUsage }>(
    call: PaidCall,
    work: (maxTokens: number | undefined) => Promise<T>,
  ): Promise<T>;
  /** Large values: `put` gives what an event may hold in their place, `get` what was put. */
  values: { put(value: JsonValue): Promise<JsonValue>; get(value: JsonValue): Promise<JsonValue> };
  /** Nudges received and not yet acknowledged, oldest first. */
  nudges(): readonly { nudge_id: string; message: string }[];
  /** Aborted by a stop of any mode, as soon as it is known: for engines that pass it on before the next boundary. */
  stopping: AbortSignal;
  /** Aborted when nothing more can be recorded (hold lost) or by a stop of mode `kill`. A cooperative stop does not abort it. */
  signal: AbortSignal;
}

/** The engine: runs an agent from its history to its result. Throws `AgentStopped` or `AgentFailed`. */
export interface Harness {
  readonly engine: AgentKind;
  run(context: HarnessContext): Promise<JsonValue>;
}

/** A stop reached the agent at a boundary. Not an error of the agent's. */
export class AgentStopped extends Error {
  readonly code = 'agent_stopped';
  constructor(readonly boundary: string) {
    super(`stopped before ${boundary}`);
    this.name = 'AgentStopped';
  }
}

export interface AgentFailure {
  code: string;
  category: 'agent' | 'provider' | 'tool' | 'timeout' | 'budget' | 'limit' | 'system' | 'input';
  title: string;
  detail: string;
  remedy: string;
  retryable: boolean;
}

/** The agent, or what it called, failed in a way that ends or retries the attempt. */
export class AgentFailed extends Error {
  /** How long whoever failed asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly failure: AgentFailure,
    options: ErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    super(`${failure.title}: ${failure.detail}`, options);
    this.name = 'AgentFailed';
    this.retryAfterMs = options.retryAfterMs;
  }

  get code(): string {
    return this.failure.code;
  }
}
