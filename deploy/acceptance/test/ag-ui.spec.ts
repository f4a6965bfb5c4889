import { randomUUID } from 'node:crypto';
import { EventType } from '@ag-ui/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { JetStreamRunLog, type HeldRun } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { agUiAgent, ran, runIdOf, type Seen } from './ag-ui-client.ts';
import { startCell, type Cell } from './cell.ts';
import { cutting } from './cutting-fetch.ts';

const FAILING = {
  agent_id: 'failing',
  name: 'Failing',
  description: 'Says something and fails.',
  kind: 'code',
  model: 'offline/echo',
  code: `export default async function failing(input: unknown, tools: any) {
    tools.milestone('before');
    await tools.callLlm('so far so good');
    throw new Error('the disk is full');
  }`,
};

/** AG-UI's own client against all services: its verifier accepts every stream, and it understands what it says. */
describe('a run in the hands of an AG-UI client', () => {
  let cell: Cell;
  let key: string;

  beforeAll(async () => {
    cell = await startCell();
    key = await cell.key('ann');
    const agents = await new Kvm(cell.broker.js).open('agents');
    await agents.put(agentKey('local', FAILING.agent_id), JSON.stringify(FAILING));
  }, 90_000);
  afterAll(() => cell.stop());

  const calling = (agent: string, content = 'hi', through?: typeof fetch) => {
    const messages = [{ id: randomUUID(), role: 'user' as const, content }];
    const path = `/agents/${agent}/ag-ui`;
    return agUiAgent({ cell, key, path, messages, ...(through ? { fetch: through } : {}) });
  };
  const watching = (runId: string, through?: typeof fetch) => {
    const path = `/runs/${runId}/stream?format=ag-ui`;
    return agUiAgent({ cell, key, path, method: 'GET', ...(through ? { fetch: through } : {}) });
  };
  const post = async (path: string, body: object = {}): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await fetch(`${cell.url}${path}`, init)).status;
  };
  const start = async (agent_id: string, input: object, limits: object): Promise<{ run_id: string }> =>
    (await cell.client('ann')).start({ agent_id, input: input as never, limits });
  const statusOf = async (run_id: string): Promise<string> =>
    (await (await cell.client('ann')).getRun(run_id)).status;
  const of = (seen: readonly Seen[], type: string): Seen[] => seen.filter((event) => event.type === type);
  const ticks = (count: number, every_ms: number) => ({ forwardedProps: { input: { count, every_ms } } });

  it('has its text and its tool calls as messages, and its status as state', async () => {
    const agent = calling('hello', 'Good morning');
    const seen = await ran(agent);
    const run_id = runIdOf(seen);
    expect(seen.at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } });
    expect(agent.messages).toMatchObject([
      { role: 'user', content: 'Good morning' },
      {
        role: 'assistant',
        content: expect.stringMatching(/look at the clock/),
        toolCalls: [{ function: { name: 'clock', arguments: '{}' } }],
      },
      { role: 'tool', content: expect.stringMatching(/"time"/) },
      { role: 'assistant', content: expect.stringMatching(/You said “Good morning”/) },
    ]);
    expect(agent.messages[2]).toMatchObject({
      toolCallId: (agent.messages[1] as { toolCalls: { id: string }[] }).toolCalls[0]?.id,
    });
    expect(agent.state).toMatchObject({ runledger: { run_id, status: 'success', agent_id: 'hello' } });
    expect(await ran(watching(run_id))).toEqual(seen);
  });

  it('goes on with the thread: what was said before is part of the next run', async () => {
    const agent = calling('echo-process', 'first');
    await ran(agent);
    agent.addMessage({ id: randomUUID(), role: 'user', content: 'second' });
    const seen = await ran(agent);
    expect(JSON.stringify(seen.at(-1)?.['result'])).toMatch(/"first".*"second"/);
    expect(of(seen, 'RUN_STARTED')).toMatchObject([{ threadId: agent.threadId }]);
  });

  it.each(['cooperative', 'kill'] as const)(
    'stopped (%s) while it speaks, it is cancelled and closed',
    async (mode) => {
      const agent = calling('hello');
      let asked: Promise<number> | undefined;
      const seen = await ran(agent, {}, ({ type }, all) => {
        if (type === 'TEXT_MESSAGE_CONTENT') asked ??= post(`/runs/${runIdOf(all)}/stop`, { mode });
      });
      expect(await asked).toBe(202);
      expect(of(seen, 'TEXT_MESSAGE_END')).toHaveLength(1);
      expect(seen.at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'cancelled' } });
      expect(agent.state).toMatchObject({ runledger: { status: 'stopped' } });
    },
  );

  it('stopped between two steps, every step is closed', async () => {
    const agent = calling('ticker');
    let asked: Promise<number> | undefined;
    const seen = await ran(agent, ticks(1_000, 20), ({ type }, all) => {
      if (type === 'STEP_FINISHED' && of(all, 'STEP_FINISHED').length === 3)
        asked ??= post(`/runs/${runIdOf(all)}/stop`);
    });
    expect(await asked).toBe(202);
    expect(of(seen, 'STEP_FINISHED')).toHaveLength(of(seen, 'STEP_STARTED').length);
    expect(seen.at(-1)).toMatchObject({ outcome: { type: 'cancelled' } });
  });

  it('failed, it is RUN_ERROR with the reason, after what it said', async () => {
    const agent = calling('failing');
    const seen = await ran(agent);
    expect(seen.at(-1)).toMatchObject({
      type: 'RUN_ERROR',
      message: expect.stringMatching(/the disk is full/),
      code: 'agent_error',
    });
    expect(of(seen, 'STEP_FINISHED')).toMatchObject([{ stepName: 'before' }]);
    expect(agent.state).toMatchObject({ runledger: { status: 'error' } });
    expect(await ran(watching(runIdOf(seen)))).toEqual(seen);
  });

  it.each([
    ['by its client', async () => undefined],
    ['by somebody else', async (run_id: string) => expect(await post(`/runs/${run_id}/resume`)).toBe(202)],
  ])('paused, it is an interrupt; resumed %s it goes on as the next AG-UI run', async (_who, meanwhile) => {
    const agent = calling('ticker');
    let asked: Promise<number> | undefined;
    const first = await ran(agent, ticks(12, 50), ({ type }, all) => {
      if (type === 'STEP_FINISHED') asked ??= post(`/runs/${runIdOf(all)}/pause`);
    });
    expect(await asked).toBe(202);
    const run_id = runIdOf(first);
    expect(agent.pendingInterrupts).toMatchObject([{ reason: 'pause' }]);
    expect(agent.state).toMatchObject({ runledger: { status: 'waiting', waiting_on: 'pause' } });
    await meanwhile(run_id);
    const resume = agent.pendingInterrupts.map(({ id }) => ({
      interruptId: id,
      status: 'resolved' as const,
    }));
    const second = await ran(agent, { resume });
    expect(agent.pendingInterrupts).toEqual([]);
    expect(second.at(-1)).toMatchObject({ outcome: { type: 'success' }, result: { ticks: 12 } });
    const whole = await ran(watching(run_id));
    expect(whole).toEqual([...first, ...second]);
    expect(of(whole, 'RUN_STARTED')).toHaveLength(2);
    expect(of(whole, 'STEP_FINISHED')).toHaveLength(12);
  });

  it('out of money, it is an interrupt that is answered by its route, and then goes on with its client', async () => {
    const input = { turns: 3, cost_usd_per_turn: 0.02 };
    const { run_id } = await start('spender', input, { max_cost_usd: 0.03 });
    const agent = calling('spender');
    await waitFor(async () => (await statusOf(run_id)) === 'waiting', { describe: 'the run to wait' });
    const watched = watching(run_id);
    await watched.runAgent({}, { onRunFinishedEvent: () => watched.abortRun() });
    const [interrupt] = watched.pendingInterrupts;
    expect(interrupt).toMatchObject({ reason: 'budget' });
    agent.threadId = run_id;
    const resume = [{ interruptId: interrupt?.id ?? '', status: 'resolved' as const }];
    await expect(ran(agent, { resume })).rejects.toThrow(/is answered by POST .*limits/);
    expect(await post(`/runs/${run_id}/limits`, { max_cost_usd: 1 })).toBe(202);
    const rest = await ran(agent, { resume });
    expect(rest.at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } });
  });

  it('its client gone, it goes on; who attaches sees all of it', async () => {
    const agent = calling('ticker');
    const partly: Seen[] = [];
    await agent.runAgent(ticks(40, 20), {
      onEvent: ({ event }) => {
        // The client says RUN_ERROR itself when it is aborted.
        if (event.type === EventType.RUN_ERROR) return;
        partly.push(event);
        if (of(partly, 'STEP_FINISHED').length === 3) agent.abortRun();
      },
    });
    expect(of(partly, 'RUN_FINISHED')).toEqual([]);
    const attached = await ran(watching(runIdOf(partly)));
    expect(attached.slice(0, partly.length)).toEqual(partly);
    expect(of(attached, 'STEP_FINISHED')).toHaveLength(40);
    expect(attached.at(-1)).toMatchObject({ outcome: { type: 'success' } });
  });

  it.each([1, 2, 3, 7])(
    'cut after every %i frames, by POST and by GET, it is one stream without a hole',
    async (frames) => {
      const posted = cutting(frames);
      const seen = await ran(calling('hello', 'cut me', posted.fetch));
      expect(posted.connections()).toBe(Math.ceil(posted.ids.length / frames));
      expect(new Set(posted.ids).size).toBe(posted.ids.length);
      expect(seen).toHaveLength(posted.ids.length);
      const got = cutting(frames);
      expect(await ran(watching(runIdOf(seen), got.fetch))).toEqual(seen);
      expect(got.ids).toEqual(posted.ids);
    },
  );

  describe('that asks for an approval', () => {
    let log: JetStreamRunLog;
    beforeAll(async () => {
      log = new JetStreamRunLog(cell.broker, { writer: 'agent-executor/spec' });
      await cell.of('agent-executor')[0]?.end('SIGTERM');
    });
    afterAll(() => log.close());

    /** In the place of an executor: the agents of this version ask for no approval by themselves. */
    async function askIn(run_id: string, approval_id: string): Promise<void> {
      const address = { tenant_id: 'local', run_id };
      const begun = await log.execute(address, () => ({
        type: 'BeginAttempt',
        dispatch: 1,
        work_seq: 1,
        delivery: 1,
        executor: 'spec',
        pool: 'default',
        engine: 'llm',
      }));
      expect(begun.refusal).toBeUndefined();
      const held = await log.hold(address, await log.load(address));
      await ask(held, approval_id);
      await held.release();
    }

    async function ask(held: HeldRun, approval_id: string): Promise<void> {
      const call = { call_id: 'pay-1', name: 'pay', args: { eur: 100 }, args_sha256: 'b'.repeat(64) };
      const due_at = new Date(Date.now() + 3_600_000).toISOString();
      const asked = {
        approval_id,
        ...call,
        reason: 'money leaves',
        severity: 'high' as const,
        due_at,
        policy_ids: [],
      };
      expect(await held.record([{ type: 'approval.requested', data: asked }])).toBeUndefined();
      const held_by = { executor: 'spec', attempt: held.run.attempt };
      expect(await held.submit({ type: 'ParkRun', held_by, reason: 'approval', detail: '' })).toBeUndefined();
    }

    it.each([
      ['approved', { status: 'resolved' as const, payload: { approved: true, reason: 'fine' } }, 'approve'],
      ['given up', { status: 'cancelled' as const }, 'deny'],
    ])('is interrupted, and %s by its client it goes on in the same run', async (_how, answer, decision) => {
      const agent = calling('hello');
      let asked: Promise<void> | undefined;
      const first = await ran(agent, {}, (_event, all) => void (asked ??= askIn(runIdOf(all), 'ask-1')));
      await asked;
      const run_id = runIdOf(first);
      const interruptId = `${run_id}:approval:ask-1`;
      expect(agent.pendingInterrupts).toMatchObject([{ id: interruptId, reason: 'approval' }]);
      await cell.of('agent-executor')[0]?.start();
      const second = await ran(agent, { resume: [{ interruptId, ...answer }] });
      expect(second[0]).toMatchObject({ type: 'RUN_STARTED', threadId: agent.threadId });
      expect(of(second, 'CUSTOM')).toContainEqual(
        expect.objectContaining({
          name: 'approval.decided',
          value: expect.objectContaining({ data: expect.objectContaining({ decision }) }),
        }),
      );
      expect(runIdOf(second)).toBe(run_id);
      expect(second.at(-1)).toMatchObject({ outcome: { type: 'success' } });
      expect(agent.pendingInterrupts).toEqual([]);
      expect(await ran(watching(run_id))).toEqual([...first, ...second]);
      await cell.of('agent-executor')[0]?.end('SIGTERM');
    });
  });
});
