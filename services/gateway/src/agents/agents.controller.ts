import { Controller, Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { Problem } from '../problem/problem.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { AgentCatalogue } from './agent-catalogue.ts';
import { AgentId } from './agent-definition.ts';
import { AgentAnswer, AgentList, presentAgent } from './agent-answer.ts';

const AgentPath = z.strictObject({ agent_id: AgentId });

@Controller('agents')
export class AgentsController {
  constructor(@Inject(AgentCatalogue) private readonly catalogue: AgentCatalogue) {}

  @Get()
  @Operation({
    id: 'listAgents',
    summary: 'The agents of your tenant',
    tag: 'agents',
    access: ['runs:start', 'runs:read'],
    answers: { 200: { description: 'All agents, by id', schema: AgentList } },
    problems: ['log_unavailable'],
  })
  async list(@Caller() caller: Principal): Promise<z.infer<typeof AgentList>> {
    const agents = await this.catalogue.list(caller.tenant_id);
    return { agents: agents.filter((agent) => maySee(caller, agent.definition.agent_id)).map(presentAgent) };
  }

  @Get(':agent_id')
  @Operation({
    id: 'getAgent',
    summary: 'One agent with its definition',
    tag: 'agents',
    access: ['runs:start', 'runs:read'],
    path: AgentPath,
    answers: { 200: { description: 'The agent', schema: AgentAnswer } },
    problems: ['agent_not_found', 'log_unavailable'],
  })
  async get(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(AgentPath, 'path')) path: z.infer<typeof AgentPath>,
  ): Promise<z.infer<typeof AgentAnswer>> {
    if (!maySee(caller, path.agent_id))
      throw new Problem('forbidden', `This credential is of the agent ${caller.agent_id ?? ''} only.`);
    return presentAgent(await this.catalogue.get(caller.tenant_id, path.agent_id));
  }
}

const maySee = (caller: Principal, agentId: string): boolean =>
  caller.agent_id === undefined || caller.agent_id === agentId;
