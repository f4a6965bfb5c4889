import { randomBytes } from 'node:crypto';
import type { Command, DraftEvent, EventData } from '@runledger/run';
import type { RunAddress } from '../src/index.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export function someAddress(): RunAddress {
  const run_id = '01' + [...randomBytes(24)].map((byte) => ALPHABET[byte % 32]).join('');
  return { tenant_id: `t${randomBytes(4).toString('hex')}`, run_id };
}

export function someStart(address: RunAddress): { type: 'StartRun'; request: EventData['run.requested'] } {
  return {
    type: 'StartRun',
    request: {
      agent_id: 'ticker',
      agent_name: 'Ticker',
      agent_revision: 1,
      agent_sha256: 'a'.repeat(64),
      input: { count: 3 },
      env_keys: [],
      tenant_id: address.tenant_id,
      user_id: 'dev',
      channel: 'api',
      root_run_id: address.run_id,
      depth: 0,
      labels: {},
      priority: 0,
      limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 1 },
      trace: false,
      schema: 1,
    },
  };
}

export function someBegin(executor = 'executor-1', dispatch = 1): Command {
  return {
    type: 'BeginAttempt',
    dispatch,
    work_seq: 1,
    delivery: 1,
    executor,
    pool: 'default',
    engine: 'builtin',
  };
}

export function someLog(index: number, message = `line ${index}`): DraftEvent {
  return { type: 'log.written', data: { index, level: 'info', source: 'agent', message } };
}

export const someone = { user_id: 'dev', channel: 'api' } as const;
