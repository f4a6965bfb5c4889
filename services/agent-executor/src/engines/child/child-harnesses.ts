import {
  AgentFailed,
  AgentProcess,
  PROTOCOL_VERSION,
  type GroupLimits,
  type Harness,
  type HarnessContext,
  type JsonValue,
  type Sandbox,
  type StartFrame,
} from '@runledger/harness';
import { Conversation } from './conversation.ts';
import type { WarmPool } from './warm-pool.ts';

/** A TypeScript or JavaScript module in a host process of its own. */
export class CodeHarness implements Harness {
  readonly engine = 'code';

  constructor(private readonly pool: WarmPool) {}

  async run(context: HarnessContext): Promise<JsonValue> {
    const code = context.agent.code;
    if (!code) throw incomplete('"code" is missing: the source of a module with a default export');
    return new Conversation(await this.pool.take(), context).run({ ...startFrame(context), code });
  }
}

/** Any command that speaks the harness protocol on stdin and stdout. */
export class ProcessHarness implements Harness {
  readonly engine = 'process';

  constructor(
    private readonly limits: GroupLimits,
    private readonly sandbox: Sandbox | undefined,
  ) {}

  async run(context: HarnessContext): Promise<JsonValue> {
    const command = context.agent.command ?? [];
    if (command.length === 0) throw incomplete('"command" is missing: the program and its arguments');
    const child = await AgentProcess.start({
      command,
      env: context.env,
      limits: this.limits,
      sandbox: this.sandbox,
    });
    return new Conversation(child, context).run(startFrame(context));
  }
}

function startFrame({ run_id, attempt, agent, input, env }: HarnessContext): StartFrame {
  return { type: 'start', protocol: PROTOCOL_VERSION, run_id, attempt, agent_id: agent.agent_id, input, env };
}

function incomplete(detail: string): AgentFailed {
  return new AgentFailed({
    code: 'agent_incomplete',
    category: 'agent',
    title: 'The agent definition is not complete',
    detail,
    remedy: 'Complete the agent definition.',
    retryable: false,
  });
}
