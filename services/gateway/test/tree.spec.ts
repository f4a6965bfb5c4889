import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DraftEvent } from '@runledger/run';
import { ulid } from 'ulid';
import { type Answer, call } from './calls.ts';
import { type PlayedHolder, Tree } from './played-holder.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

interface Node {
  run_id: string;
  status: string;
  depth: number;
  waiting_for: string[];
  receipt: unknown;
  stop: unknown;
}

describe('GET /runs/{run_id}/tree', () => {
  let gateway: RunningGateway;
  let ann: string;
  let tree: Tree;
  beforeAll(async () => {
    gateway = await startGateway();
    ann = await gateway.key();
    tree = new Tree(gateway.runLog);
  });
  afterAll(() => gateway.stop());

  const get = (runId: string, key = ann): Promise<Answer> =>
    call('GET', `${gateway.url}/runs/${runId}/tree`, { key });
  const nodes = async (runId: string): Promise<Node[]> => (await get(runId)).body.runs as Node[];
  const statuses = async (runId: string): Promise<string[]> =>
    (await nodes(runId)).map((node) => node.status);

  async function root(): Promise<PlayedHolder> {
    const body = { agent_id: 'ticker', workspace_id: 'lab' };
    const started = await call('POST', `${gateway.url}/agents/run-code/start`, { key: ann, body });
    return tree.begin(String(started.body.run_id));
  }

  /** What the scheduler does to a child of a run that stops. */
  const cascade = async (child: string, from: string): Promise<void> => {
    const by = { user_id: 'ann', channel: 'api' } as const;
    const stopped = await gateway.runLog.execute({ tenant_id: 'acme', run_id: child }, () => ({
      type: 'RequestStop',
      by,
      mode: 'cooperative',
      reason: 'enough',
      cascade_from: from,
    }));
    if (stopped.refusal) throw new Error(stopped.refusal.detail);
  };

  it('of a run alone is that run', async () => {
    const holder = await root();
    expect(await get(holder.run_id)).toMatchObject({
      status: 200,
      body: {
        run_id: holder.run_id,
        status: 'running',
        truncated: false,
        runs: [
          {
            run_id: holder.run_id,
            agent_id: 'ticker',
            status: 'running',
            parent_run_id: null,
            depth: 0,
            stop: null,
            receipt: null,
            waiting_for: [],
          },
        ],
      },
    });
    await holder.release();
  });

  it('lists level by level, with a child that was not created yet', async () => {
    const top = await root();
    const left = await tree.spawn(top);
    const right = await tree.spawn(top);
    const late = await tree.spawn(top, { create: false });
    const middle = await tree.begin(left);
    const leaf = await tree.spawn(middle);
    expect((await nodes(top.run_id)).map((node) => [node.run_id, node.status, node.depth])).toEqual([
      [top.run_id, 'running', 0],
      [left, 'running', 1],
      [right, 'queued', 1],
      [late, 'spawned', 1],
      [leaf, 'queued', 2],
    ]);
    expect((await nodes(left)).map((node) => [node.run_id, node.depth])).toEqual([
      [left, 1],
      [leaf, 2],
    ]);
    await Promise.all([top.release(), middle.release()]);
  });

  it('while it stops says who is waited for, with a receipt of each that has seen it, until the last has stopped', async () => {
    const top = await root();
    const left = await tree.begin(await tree.spawn(top));
    const queued = await tree.spawn(top);
    const leaf = await tree.begin(await tree.spawn(left));
    const stop = { method: 'POST', url: `${gateway.url}/runs/${top.run_id}/stop` };
    const asked = await call(stop.method, stop.url, { key: ann, body: { reason: 'enough' } });
    expect(asked).toMatchObject({ status: 202, body: { status: 'stopping' } });
    expect(await statuses(top.run_id)).toEqual(['stopping', 'running', 'queued', 'running']);

    await cascade(queued, top.run_id);
    await cascade(left.run_id, top.run_id);
    await cascade(leaf.run_id, left.run_id);
    await top.endChild(queued);
    await leaf.observeStop('after the tool call');
    expect(await nodes(top.run_id)).toMatchObject([
      {
        status: 'stopping',
        stop: { mode: 'cooperative', reason: 'enough', requested_at: expect.any(String) },
        receipt: null,
        waiting_for: [left.run_id],
      },
      { status: 'stopping', receipt: null, waiting_for: [leaf.run_id] },
      { status: 'stopped', receipt: { boundary: 'queued', latency_ms: 0 }, waiting_for: [] },
      {
        status: 'stopping',
        receipt: {
          boundary: 'after the tool call',
          latency_ms: 12,
          in_flight: [{ kind: 'model', name: 'm' }],
          seq: 4,
        },
        waiting_for: [],
      },
    ]);

    await leaf.finishStop();
    await left.endChild(leaf.run_id);
    await left.finishStop();
    const read = await call('GET', `${gateway.url}/runs/${top.run_id}`, { key: ann });
    expect(read.body.status).toBe('stopping');
    expect((await nodes(top.run_id))[0]?.waiting_for).toEqual([left.run_id]);
    await top.endChild(left.run_id);
    await top.finishStop();
    expect(await statuses(top.run_id)).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
  });

  it('does not show a run that names another parent, nor one of another tenant, nor itself', async () => {
    const top = await root();
    const stranger = await root();
    const rival = await gateway.key({ tenant_id: 'rival', user_id: 'eve', scopes: ['admin'] });
    await gateway.connection.js.publish(
      '$KV.agents.rival.ticker',
      JSON.stringify({
        agent_id: 'ticker',
        name: 'T',
        description: '',
        kind: 'builtin',
        builtin: 'ticker',
      }),
    );
    const foreign = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key: rival,
      body: { agent_id: 'ticker' },
    });
    expect(foreign.status).toBe(202);
    const claim = (child_run_id: string, index: number): DraftEvent => ({
      type: 'child.spawned',
      data: { call_id: `x${index}`, index, child_run_id, agent_id: 'claimed', input: null },
    });
    const claimed = [stranger.run_id, String(foreign.body.run_id), 'no/run', top.run_id];
    await top.record(...claimed.map(claim));
    expect((await nodes(top.run_id)).slice(1)).toEqual(
      claimed.slice(0, 3).map((run_id) => ({
        run_id,
        agent_id: 'claimed',
        status: 'spawned',
        parent_run_id: top.run_id,
        depth: 1,
        stop: null,
        receipt: null,
        waiting_for: [],
      })),
    );
    await Promise.all([top.release(), stranger.release()]);
  });

  it('ends at eight levels and at a thousand runs, and says so', async () => {
    const top = await root();
    let at = top;
    const path = [top];
    for (let depth = 0; depth < 9; depth += 1) {
      at = await tree.begin(await tree.spawn(at));
      path.push(at);
    }
    const deep = await get(top.run_id);
    expect(deep.body.truncated).toBe(true);
    expect((deep.body.runs as Node[]).map((node) => node.run_id)).toEqual(
      path.slice(0, 9).map((holder) => holder.run_id),
    );
    expect(await get(path[1]?.run_id ?? '')).toMatchObject({ body: { truncated: false } });

    const wide = await root();
    const many = (from: number, count: number): DraftEvent[] =>
      Array.from({ length: count }, (_, at) => ({
        type: 'child.spawned',
        data: {
          call_id: `c${from + at}`,
          index: from + at,
          child_run_id: ulid(),
          agent_id: 'ticker',
          input: null,
        },
      }));
    for (let from = 0; from < 999; from += 333) await wide.record(...many(from, 333));
    const full = await get(wide.run_id);
    expect([full.body.truncated, (full.body.runs as Node[]).length]).toEqual([false, 1_000]);
    await wide.record(...many(999, 1));
    const cut = await get(wide.run_id);
    expect([cut.body.truncated, (cut.body.runs as Node[]).length]).toEqual([true, 1_000]);
    await Promise.all([...path, wide].map((holder) => holder.release()));
  });

  it('keeps the place of a run that was erased', async () => {
    const top = await root();
    const child = await tree.begin(await tree.spawn(top));
    await call('POST', `${gateway.url}/runs/${child.run_id}/stop`, { key: ann, body: {} });
    await child.finishStop();
    await top.endChild(child.run_id);
    await call('POST', `${gateway.url}/runs/${top.run_id}/stop`, { key: ann, body: {} });
    await top.finishStop();
    const erased = await call('DELETE', `${gateway.url}/runs/${child.run_id}`, { key: ann });
    expect(erased.status).toBe(202);
    expect((await get(child.run_id)).status).toBe(410);
    expect((await nodes(top.run_id)).map((node) => [node.run_id, node.status])).toEqual([
      [top.run_id, 'stopped'],
      [child.run_id, 'erased'],
    ]);
  });

  it('is for those who may read the run', async () => {
    const holder = await root();
    const colleague = await gateway.key({ user_id: 'cat', workspace_ids: ['lab'] });
    const bob = await gateway.key({ user_id: 'bob', workspace_ids: [] });
    const all = await gateway.key({ user_id: 'bob', workspace_ids: [], scopes: ['runs:read:all'] });
    const seen = await Promise.all([colleague, bob, all].map((key) => get(holder.run_id, key)));
    expect(seen.map((answer) => answer.status)).toEqual([200, 403, 200]);
    await holder.release();
  });
});
