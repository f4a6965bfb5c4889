import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Operation } from '../openapi/operation.ts';
import { Caller } from './access.guard.ts';
import type { Principal } from './principal.ts';

const Me = z.object({
  tenant_id: z.string(),
  user_id: z.string(),
  key_id: z.string(),
  scopes: z.array(z.string()),
  workspace_ids: z.array(z.string()),
  agent_id: z.string().nullable(),
});

@Controller('me')
export class MeController {
  @Get()
  @Operation({
    id: 'me',
    summary: 'Whose credential this is and what it allows',
    tag: 'credentials',
    access: [],
    answers: { 200: { description: 'You', schema: Me } },
  })
  me(@Caller() caller: Principal): z.infer<typeof Me> {
    const { tenant_id, user_id, key_id, scopes, workspace_ids, agent_id = null } = caller;
    return {
      tenant_id,
      user_id,
      key_id,
      scopes: [...scopes].sort(),
      workspace_ids: [...workspace_ids],
      agent_id,
    };
  }
}
