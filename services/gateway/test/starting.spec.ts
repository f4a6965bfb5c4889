import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openEnv } from '@runledger/wire';
import { Buckets } from '../src/broker/buckets.ts';
import { type Answer, call } from './calls.ts';
import { AGENT, type RunningGateway, sha256, startGateway } from './running-gateway.ts';

describe('what a start writes', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const start = (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
    call('POST', `${gateway.url}/agents/run-code/start`, {
      key,
      body: { agent_id: 'ticker', ...body },
      headers,
    });

  const requested = async (runId: unknown): Promise<Record<string, unknown>> => {
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id: String(runId) }, 0, 1);
    return (JSON.parse(lines[0]?.line ?? '') as { data: Record<string, unknown> }).data;
  };

  it('pins the agent, the caller and the limits', async () => {
    const answer = await start(
      {
        input: { count: 3 },
        labels: { team: 'x' },
        priority: -10,
        workspace_id: 'lab',
        trace: true,
        limits: { max_turns: 5 },
      },
      { 'user-agent': 'runledger-cli/0.1.0' },
    );
    expect(await requested(answer.body.run_id)).toEqual({
      agent_id: 'ticker',
      agent_name: 'Ticker',
      agent_revision: 1,
      agent_sha256: sha256(JSON.stringify(AGENT)),
      input: { count: 3 },
      env_keys: [],
      tenant_id: 'acme',
      user_id: 'ann',
      workspace_id: 'lab',
      channel: 'cli',
      root_run_id: answer.body.run_id,
      depth: 0,
      labels: { team: 'x' },
      priority: -10,
      limits: { max_turns: 5, max_cost_usd: '0.5', timeout_s: null, max_attempts: 3 },
      trace: true,
      schema: 1,
    });
  });

  it('keeps an inline agent with its run', async () => {
    const agent = {
      agent_id: 'mine',
      name: 'Mine',
      description: 'd',
      kind: 'code',
      code: 'export default async () => 1',
    };
    const answer = await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent } });
    expect(await requested(answer.body.run_id)).toMatchObject({
      agent_id: 'mine',
      agent_revision: 0,
      agent_sha256: sha256(JSON.stringify(agent)),
      agent,
    });
  });

  it('has no value of env: only its keys; the values are sealed for the executor', async () => {
    const answer = await start({ env: { TOKEN: 'canary-4711', B: '2' } });
    const runId = String(answer.body.run_id);
    expect(await requested(runId)).toMatchObject({ env_keys: ['B', 'TOKEN'] });
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 10);
    expect(lines.map((stored) => stored.line).join()).not.toContain('canary-4711');
    const sealed = await new Buckets(gateway.connection).get('run-env', `acme.${runId}`);
    expect(sealed?.text).not.toContain('canary-4711');
    expect(openEnv(gateway.settings.secretKey, sealed?.text ?? '')).toEqual({ TOKEN: 'canary-4711', B: '2' });
  });

  it('keeps an input over 64 KiB by reference, which its reader can fetch', async () => {
    const input = { text: 'é'.repeat(50_000) };
    const answer = await start({ input });
    const text = JSON.stringify(input);
    expect(await requested(answer.body.run_id)).toMatchObject({
      input: { blob: sha256(text), bytes: Buffer.byteLength(text) },
    });
    const blob = await call(
      'GET',
      `${gateway.url}/runs/${String(answer.body.run_id)}/blobs/${sha256(text)}`,
      { key },
    );
    expect(blob).toMatchObject({ status: 200, body: input });
    const bob = await gateway.key({ user_id: 'bob', workspace_ids: [] });
    expect(
      (
        await call('GET', `${gateway.url}/runs/${String(answer.body.run_id)}/blobs/${sha256(text)}`, {
          key: bob,
        })
      ).status,
    ).toBe(403);
    const other = await call(
      'GET',
      `${gateway.url}/runs/${String(answer.body.run_id)}/blobs/${'0'.repeat(64)}`,
      { key },
    );
    expect(other).toMatchObject({ status: 404, body: { code: 'blob_not_found' } });
  });

  it('an input of exactly the limit of the body is taken', async () => {
    const head = '{"agent_id":"ticker","input":"';
    const raw = `${head}${'x'.repeat(1024 * 1024 - head.length - 2)}"}`;
    expect(Buffer.byteLength(raw)).toBe(1024 * 1024);
    expect((await call('POST', `${gateway.url}/agents/run-code/start`, { key, raw })).status).toBe(202);
  });

  it('a stop is repeated without an event, and refused after the end', async () => {
    const { run_id } = (await start({})).body;
    const url = `${gateway.url}/runs/${String(run_id)}/stop`;
    expect((await call('POST', url, { key })).body).toMatchObject({ status: 'stopped', seq: 4 });
    expect(await call('POST', url, { key, body: {} })).toMatchObject({
      status: 409,
      body: { code: 'run_already_ended' },
    });
  });

  it('a stop of a running run is 202 stopping, however often', async () => {
    const { run_id } = (await start({})).body;
    const address = { tenant_id: 'acme', run_id: String(run_id) };
    await gateway.runLog.execute(address, () => ({
      type: 'BeginAttempt',
      dispatch: 1,
      work_seq: 1,
      delivery: 1,
      executor: 'spec',
      pool: 'default',
      engine: 'builtin',
    }));
    const url = `${gateway.url}/runs/${String(run_id)}/stop`;
    expect(await call('POST', url, { key, body: { reason: 'enough' } })).toMatchObject({
      status: 202,
      body: { status: 'stopping', seq: 3 },
    });
    expect(await call('POST', url, { key, body: { reason: 'again' } })).toMatchObject({
      status: 202,
      body: { status: 'stopping', seq: 3 },
    });
  });
});
