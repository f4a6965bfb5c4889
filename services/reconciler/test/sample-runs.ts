import { randomBytes } from 'node:crypto';
import type { Command, DraftEvent, EventData, HeldBy, Json, Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ADA = { user_id: 'ada', channel: 'cli' } as const;
const USAGE = { input_tokens: 11, output_tokens: 7, cached_tokens: 0, cost_usd: '0.0007' };

export function newAddress(tenantId: string): RunAddress {
  return {
    tenant_id: tenantId,
    run_id: `01${[...randomBytes(24)].map((byte) => ALPHABET[byte % 32]).join('')}`,
  };
}

export function startCommand(
  address: RunAddress,
  change: Partial<EventData['run.requested']> = {},
): Extract<Command, { type: 'StartRun' }> {
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
      user_id: 'ada',
      channel: 'api',
      root_run_id: address.run_id,
      depth: 0,
      labels: {},
      priority: 0,
      limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
      trace: false,
      schema: 1,
      ...change,
    },
  };
}

export async function startRun(
  log: RunLog,
  tenantId: string,
  change: Partial<EventData['run.requested']> = {},
): Promise<RunAddress> {
  const address = newAddress(tenantId);
  await log.completeStart(log.prepareStart(startCommand(address, change), address));
  return address;
}

export const begin = (dispatch = 1): Command => ({
  type: 'BeginAttempt',
  dispatch,
  work_seq: dispatch,
  delivery: 1,
  executor: 'executor-1',
  pool: 'default',
  engine: 'builtin',
});

export const logged = (index: number): DraftEvent => ({
  type: 'log.written',
  data: { index, level: 'info', source: 'agent', message: `line ${index}` },
});

export const progress = (run: Run, ...events: DraftEvent[]): Command => ({
  type: 'RecordProgress',
  held_by: heldBy(run),
  events,
});

export const succeed = (run: Run, result: Json = { ticks: 3 }): Command => ({
  type: 'SucceedRun',
  held_by: heldBy(run),
  result,
  schema_warnings: [],
});

function heldBy(run: Run): HeldBy {
  return { executor: run.holder?.executor ?? 'nobody', attempt: run.holder?.attempt ?? 0 };
}

/** The same numbers for the same seed. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** One run that does what `next` says, for at most `steps` commands; many end before. */
export async function randomRun(
  log: RunLog,
  tenantId: string,
  next: (below: number) => number,
  steps: number,
): Promise<RunAddress> {
  const labels: Record<string, string> = next(2) ? { ticket: `T-${next(5)}` } : {};
  const address = await startRun(log, tenantId, { labels, user_id: next(2) ? 'ada' : 'bob' });
  for (let step = 0; step < steps; step += 1) {
    const choice = next(12);
    const size = 1 + next(6);
    const executed = await log.execute(address, (run) => randomCommand(run, choice, size, step));
    if (executed.run.ended_at !== null) break;
  }
  return address;
}

function randomCommand(run: Run, choice: number, size: number, step: number): Command {
  if (run.status === 'queued')
    return choice === 0
      ? { type: 'RequestStop', by: ADA, mode: 'cooperative', reason: 'no' }
      : begin(Math.max(1, run.dispatch));
  if (run.status === 'waiting') return { type: 'UnparkRun', reason: run.waiting_on ?? 'pause', by: ADA };
  if (run.status === 'stopping')
    return run.stop_observed
      ? { type: 'FinishStop', held_by: heldBy(run), by: ADA, reason: 'asked' }
      : { type: 'ObserveStop', held_by: heldBy(run), boundary: 'turn', in_flight: [], latency_ms: 1 };
  switch (choice) {
    case 0:
      return succeed(run);
    case 1:
      return { type: 'RequestStop', by: ADA, mode: 'cooperative', reason: 'enough' };
    case 2:
      return { type: 'ParkRun', held_by: heldBy(run), reason: 'handover', detail: '' };
    case 3:
      return {
        type: 'FailRun',
        held_by: heldBy(run),
        error: {
          code: 'agent_error',
          category: 'agent',
          title: 'Agent errored',
          detail: 'boom',
          remedy: '',
          retryable: false,
        },
      };
    case 4:
      return {
        ...(begin(run.dispatch) as Extract<Command, { type: 'BeginAttempt' }>),
        delivery: step + 2,
        lost: 'lease_expired',
      };
    default:
      return progress(run, ...Array.from({ length: size }, (_, i) => randomEvent(choice + i, step * 10 + i)));
  }
}

function randomEvent(choice: number, index: number): DraftEvent {
  switch (choice % 5) {
    case 0:
      return { type: 'milestone.reached', data: { index, name: `step ${index}`, detail: '' } };
    case 1:
      return { type: 'cost.added', data: { source: 'search', usage: USAGE } };
    case 2:
      return {
        type: 'turn.completed',
        data: {
          turn: index,
          model: 'offline/echo',
          finish_reason: 'stop',
          usage: USAGE,
          message: { text: 'é' },
        },
      };
    case 3:
      return {
        type: 'data.accessed',
        data: { index, op: 'get', namespace: 'notes', key: `k${index}`, found: true },
      };
    default:
      return logged(index);
  }
}
