import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DraftEvent } from '@runledger/run';
import { decodeEvent, MAX_INLINE_VALUE_BYTES } from '@runledger/wire';
import { type Answer, call, faults } from './calls.ts';
import { Tree, type PlayedHolder } from './played-holder.ts';
import { AGENT, type RunningGateway, startGateway } from './running-gateway.ts';

describe('steering a run', () => {
  let gateway: RunningGateway;
  let ann: string;
  let tree: Tree;
  beforeAll(async () => {
    gateway = await startGateway();
    ann = await gateway.key();
    tree = new Tree(gateway.runLog);
  });
  afterAll(() => gateway.stop());

  const post = (path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> =>
    call('POST', `${gateway.url}/runs/${path}`, { key: ann, ...(body ? { body } : {}), headers });

  async function start(body: object = {}): Promise<string> {
    const url = `${gateway.url}/agents/run-code/start`;
    const { body: started } = await call('POST', url, { key: ann, body: { agent_id: 'ticker', ...body } });
    return String(started.run_id);
  }

  async function held(body: object = {}): Promise<PlayedHolder> {
    return tree.begin(await start(body));
  }

  async function events(runId: string, type?: string): Promise<{ type: string; data: unknown }[]> {
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 1_000);
    const all = lines.map(({ line }) => decodeEvent(line));
    return type === undefined ? all : all.filter((event) => event.type === type);
  }

  const conflict = (code: string): object => ({ status: 409, body: { code } });

  describe('by nudges', () => {
    it('is on disk before it is answered, in order, with who said it', async () => {
      const holder = await held();
      const first = await post(`${holder.run_id}/nudges`, { message: 'use the small one' });
      expect(first).toMatchObject({ status: 202, body: { seq: 3 } });
      const second = await post(`${holder.run_id}/nudges`, { message: 'x'.repeat(2_000) });
      expect(second).toMatchObject({ status: 202, body: { seq: 4 } });
      expect(await events(holder.run_id, 'nudge.received')).toMatchObject([
        {
          seq: 3,
          data: {
            nudge_id: first.body.nudge_id,
            by: { user_id: 'ann', channel: 'api' },
            message: 'use the small one',
          },
        },
        { seq: 4, data: { nudge_id: second.body.nudge_id } },
      ]);
      await holder.release();
    });

    it('names what is wrong with a message, and writes nothing', async () => {
      const runId = await start();
      const wrong = [{}, { message: '' }, { message: 'x'.repeat(2_001) }, { message: 'x', to: 'me' }];
      const answers = await Promise.all(wrong.map((body) => post(`${runId}/nudges`, body)));
      expect(answers.map((answer) => [answer.status, ...faults(answer)])).toEqual([
        [400, 'body /message'],
        [400, 'body /message'],
        [400, 'body /message'],
        [400, 'body /to'],
      ]);
      expect(await events(runId)).toHaveLength(1);
    });

    it('with an idempotency key a repeat is the same nudge, and another message is another one', async () => {
      const runId = await start();
      const keyed = { 'idempotency-key': 'n-1' };
      const [first, ...rest] = await Promise.all(
        Array.from({ length: 5 }, () => post(`${runId}/nudges`, { message: 'once' }, keyed)),
      );
      expect(first?.status).toBe(202);
      for (const answer of rest) expect(answer.body).toEqual(first?.body);
      const other = await post(`${runId}/nudges`, { message: 'twice' }, keyed);
      expect(other.body.nudge_id).not.toBe(first?.body.nudge_id);
      expect(await events(runId, 'nudge.received')).toHaveLength(2);
      expect((await post(`${runId}/nudges`, { message: 'x' }, { 'idempotency-key': 'a b' })).status).toBe(
        400,
      );
    });

    it('a repeat at another gateway is the same nudge while the run has not acknowledged it', async () => {
      const second = await startGateway({ beside: gateway });
      const runId = await start();
      const nudge = (url: string): Promise<Answer> =>
        call('POST', `${url}/runs/${runId}/nudges`, {
          key: ann,
          body: { message: 'once' },
          headers: { 'idempotency-key': 'n-2' },
        });
      const here = await nudge(gateway.url);
      expect((await nudge(second.url)).body).toEqual(here.body);
      expect(await events(runId, 'nudge.received')).toHaveLength(1);
      await second.stop();
    });

    it('is 429 above ten a minute for a run, and not for another run', async () => {
      const runId = await start();
      const answers = await Promise.all(
        Array.from({ length: 15 }, (_, at) => post(`${runId}/nudges`, { message: `m${at}` })),
      );
      expect(answers.filter((answer) => answer.status === 202)).toHaveLength(10);
      const refused = answers.filter((answer) => answer.status !== 202);
      for (const answer of refused) {
        expect(answer).toMatchObject({ status: 429, body: { code: 'too_many_nudges' } });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(61);
      }
      expect(await events(runId, 'nudge.received')).toHaveLength(10);
      expect((await post(`${await start()}/nudges`, { message: 'x' })).status).toBe(202);
    });

    it('is 409 for a run that is stopping or has ended: stop wins', async () => {
      const holder = await held();
      await post(`${holder.run_id}/stop`);
      expect(await post(`${holder.run_id}/nudges`, { message: 'x' })).toMatchObject(conflict('run_stopping'));
      await holder.finishStop();
      expect(await post(`${holder.run_id}/nudges`, { message: 'x' })).toMatchObject(
        conflict('run_already_ended'),
      );
      expect(await events(holder.run_id, 'nudge.received')).toEqual([]);
    });
  });

  describe('by pause and resume', () => {
    it('a pause is recorded once; resumed before the boundary, the run was never parked', async () => {
      const holder = await held();
      expect(await post(`${holder.run_id}/pause`, { reason: 'lunch' })).toMatchObject({
        status: 202,
        body: { run_id: holder.run_id, status: 'running', seq: 3 },
      });
      expect(await post(`${holder.run_id}/pause`)).toMatchObject({ status: 202, body: { seq: 3 } });
      expect(await post(`${holder.run_id}/resume`)).toMatchObject({
        status: 202,
        body: { status: 'running', seq: 4 },
      });
      expect(await post(`${holder.run_id}/resume`)).toMatchObject({ status: 202, body: { seq: 4 } });
      await holder.release();
    });

    it('a run that waits at a pause is queued again by a resume', async () => {
      const holder = await held();
      await post(`${holder.run_id}/pause`);
      await holder.park('pause');
      const waiting = await call('GET', `${gateway.url}/runs/${holder.run_id}`, { key: ann });
      expect(waiting.body).toMatchObject({ status: 'waiting', waiting_on: 'pause' });
      expect(await post(`${holder.run_id}/resume`)).toMatchObject({
        status: 202,
        body: { status: 'queued' },
      });
      expect((await events(holder.run_id)).slice(-2)).toMatchObject([
        { type: 'resume.requested', data: { by: { user_id: 'ann' } } },
        { type: 'run.unparked', data: { reason: 'pause', dispatch: 2 } },
      ]);
    });

    it('is 409 where there is nothing to pause', async () => {
      const queued = await start();
      expect(await post(`${queued}/pause`)).toMatchObject(conflict('run_not_running'));
      const holder = await held();
      await post(`${holder.run_id}/stop`);
      expect(await post(`${holder.run_id}/pause`)).toMatchObject(conflict('run_stopping'));
      expect(await post(`${holder.run_id}/resume`)).toMatchObject(conflict('run_stopping'));
      await holder.finishStop();
      expect(await post(`${holder.run_id}/pause`)).toMatchObject(conflict('run_already_ended'));
    });
  });

  describe('by limits', () => {
    it('raises what is higher, refuses what is lower, and records nothing where nothing changes', async () => {
      const runId = await start({ limits: { max_turns: 5, max_cost_usd: 0.25 } });
      expect(await post(`${runId}/limits`, { max_turns: 9, max_cost_usd: 1.5 })).toMatchObject({
        status: 202,
        body: { run_id: runId, status: 'queued', seq: 2 },
      });
      expect(await events(runId, 'limits.raised')).toMatchObject([
        { data: { by: { user_id: 'ann' }, limits: { max_turns: 9, max_cost_usd: '1.5' } } },
      ]);
      expect(await post(`${runId}/limits`, { max_turns: 9 })).toMatchObject({
        status: 202,
        body: { seq: 2 },
      });
      for (const lower of [{ max_turns: 8 }, { max_cost_usd: 1.49, max_turns: 20 }, { timeout_s: 60 }])
        expect(await post(`${runId}/limits`, lower)).toMatchObject(conflict('limit_not_raised'));
      expect(await post(`${runId}/limits`, { timeout_s: 60 })).toMatchObject({
        body: { detail: 'the run has no timeout_s that could be raised' },
      });
      expect(await events(runId)).toHaveLength(2);
      const read = await call('GET', `${gateway.url}/runs/${runId}`, { key: ann });
      expect(read.body.limits).toEqual({
        max_turns: 9,
        max_cost_usd: 1.5,
        timeout_s: null,
        max_attempts: 3,
      });
    });

    it('names every wrong limit', async () => {
      const runId = await start();
      const wrong = await post(`${runId}/limits`, { max_turns: 0, max_cost_usd: -1, budget: 3 });
      expect([wrong.status, ...faults(wrong).sort()]).toEqual([
        400,
        'body /budget',
        'body /max_cost_usd',
        'body /max_turns',
      ]);
      expect((await post(`${runId}/limits`, {})).status).toBe(400);
      expect((await post(`${runId}/limits`)).status).toBe(400);
    });

    it('a run that waits at its budget goes on when that is raised, and only then', async () => {
      const holder = await held();
      await holder.record({
        type: 'limit.reached',
        data: { limit: 'max_cost_usd', value: '0.5', used: '0.5' },
      });
      await holder.park('budget');
      expect(await post(`${holder.run_id}/limits`, { max_cost_usd: 0.5 })).toMatchObject(
        conflict('limit_not_raised'),
      );
      expect(await post(`${holder.run_id}/limits`, { max_attempts: 4 })).toMatchObject({
        status: 202,
        body: { status: 'waiting' },
      });
      expect(await post(`${holder.run_id}/limits`, { max_cost_usd: 1 })).toMatchObject({
        status: 202,
        body: { status: 'queued' },
      });
    });
  });

  describe('by resolving unknown outcomes', () => {
    const called = (call_id: string): DraftEvent => ({
      type: 'tool.called',
      data: { call_id, index: 0, name: 'pay', args: {}, idempotent: false, args_sha256: '' },
    });

    async function unknown(...ids: string[]): Promise<string> {
      const holder = await held();
      for (const call_id of ids) {
        await holder.record(called(call_id));
        await holder.record({ type: 'outcome.unknown', data: { call_id, name: 'pay', args: {} } });
      }
      await holder.park('unknown_outcome');
      return holder.run_id;
    }

    it('the last answer queues the run again', async () => {
      const runId = await unknown('c1', 'c2');
      expect(await post(`${runId}/outcomes/c1`, { choice: 'mark_done', result: { paid: 3 } })).toMatchObject({
        status: 202,
        body: { status: 'waiting' },
      });
      expect(await post(`${runId}/outcomes/c2`, { choice: 'retry' })).toMatchObject({
        status: 202,
        body: { status: 'queued' },
      });
      expect(await events(runId, 'outcome.resolved')).toMatchObject([
        { data: { call_id: 'c1', choice: 'mark_done', result: { paid: 3 }, by: { user_id: 'ann' } } },
        { data: { call_id: 'c2', choice: 'retry' } },
      ]);
      expect(await post(`${runId}/outcomes/c1`, { choice: 'skip' })).toMatchObject(
        conflict('outcome_not_unknown'),
      );
    });

    it('a large result is kept by reference, and none is null', async () => {
      const runId = await unknown('c1', 'c2');
      const result = 'x'.repeat(MAX_INLINE_VALUE_BYTES + 1);
      await post(`${runId}/outcomes/c1`, { choice: 'mark_done', result });
      await post(`${runId}/outcomes/c2`, { choice: 'mark_done' });
      const [large, none] = (await events(runId, 'outcome.resolved')) as { data: { result: unknown } }[];
      expect(none?.data.result).toBeNull();
      const { blob } = large?.data.result as { blob: string };
      const kept = await call('GET', `${gateway.url}/runs/${runId}/blobs/${blob}`, { key: ann });
      expect(JSON.parse(kept.text)).toBe(result);
    });

    it('is 404 for a call that is not open, 409 for one that is not in question, 400 for a wrong answer', async () => {
      const holder = await held();
      await holder.record(called('c1'));
      const path = `${holder.run_id}/outcomes`;
      expect(await post(`${path}/c1`, { choice: 'skip' })).toMatchObject(conflict('outcome_not_unknown'));
      expect(await post(`${path}/c9`, { choice: 'skip' })).toMatchObject({
        status: 404,
        body: { code: 'call_not_found' },
      });
      const wrong = await post(`${path}/c1`, { choice: 'skip', result: 1 });
      expect([wrong.status, ...faults(wrong)]).toEqual([400, 'body /result']);
      expect(faults(await post(`${path}/c1`, { choice: 'undo' }))).toEqual(['body /choice']);
      await holder.release();
    });
  });

  describe('by approvals', () => {
    it('the first answer counts, and later ones are told whose it was', async () => {
      const holder = await held();
      await holder.record({
        type: 'approval.requested',
        data: {
          approval_id: 'a1',
          call_id: 'c1',
          name: 'rm',
          args: {},
          args_sha256: '',
          reason: '',
          severity: 'high',
          due_at: new Date(Date.now() + 3_600_000).toISOString(),
          policy_ids: [],
        },
      });
      await holder.park('approval');
      const root = await gateway.key({ user_id: 'root', scopes: ['admin'] });
      const decide = (key: string, decision: string): Promise<Answer> =>
        call('POST', `${gateway.url}/runs/${holder.run_id}/approvals/a1`, { key, body: { decision } });
      const answers = await Promise.all([decide(ann, 'deny'), decide(root, 'approve')]);
      expect(answers.map((answer) => answer.status).sort()).toEqual([202, 409]);
      const [decided] = (await events(holder.run_id, 'approval.decided')) as {
        data: { decision: string; by: { user_id: string } };
      }[];
      const winner = `${decided?.data.by.user_id} said ${decided?.data.decision}`;
      const late = answers.find((answer) => answer.status === 409);
      expect(late?.body).toMatchObject({ code: 'approval_already_decided', detail: winner });
      const [again, decision] = decided?.data.by.user_id === 'ann' ? [ann, 'deny'] : [root, 'approve'];
      expect(await decide(again, decision)).toMatchObject({ status: 202, body: { status: 'queued' } });
      expect(await events(holder.run_id, 'approval.decided')).toHaveLength(1);
    });
  });

  it('a kill after a cooperative stop is 202 and recorded once; GET says stopping until the end', async () => {
    const holder = await held();
    const stop = (mode?: string): Promise<Answer> => post(`${holder.run_id}/stop`, mode ? { mode } : {});
    expect(await stop()).toMatchObject({ status: 202, body: { status: 'stopping', seq: 3 } });
    for (let time = 0; time < 3; time += 1)
      expect(await stop('kill')).toMatchObject({ status: 202, body: { status: 'stopping', seq: 4 } });
    expect(await stop()).toMatchObject({ status: 202, body: { seq: 4 } });
    const read = await call('GET', `${gateway.url}/runs/${holder.run_id}`, { key: ann });
    expect(read.body).toMatchObject({ status: 'stopping', agent_id: AGENT.agent_id, stop: { mode: 'kill' } });
    expect(await events(holder.run_id, 'stop.requested')).toMatchObject([
      { data: { mode: 'cooperative' } },
      { data: { mode: 'kill' } },
    ]);
    await holder.finishStop();
    expect(await stop('kill')).toMatchObject(conflict('run_already_ended'));
  });
});
