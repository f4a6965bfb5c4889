import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SCHEMA } from '@runledger/wire';
import { Buckets } from '../src/broker/buckets.ts';
import { bodyFingerprint, reservationKey } from '../src/idempotency/idempotency-key.ts';
import { StartRequest } from '../src/runs/start/start-request.ts';
import { type Answer, call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('an idempotency key', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const start = (idempotencyKey: string, body: object = {}, credential = key): Promise<Answer> =>
    call('POST', `${gateway.url}/agents/run-code/start`, {
      key: credential,
      body: { agent_id: 'ticker', ...body },
      headers: { 'idempotency-key': idempotencyKey },
    });

  it('starts one run, whoever asks how often at the same time', async () => {
    const before = await gateway.stored();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => start('hundred', { input: { a: 1 } })),
    );
    expect(new Set(answers.map((answer) => answer.body.run_id)).size).toBe(1);
    expect(answers.filter((answer) => answer.status === 202)).toHaveLength(1);
    const replays = answers.filter((answer) => answer.status === 200);
    expect(replays).toHaveLength(99);
    expect(replays.every((answer) => answer.headers.get('idempotency-replayed') === 'true')).toBe(true);
    expect(await gateway.stored()).toBe(before + 1);
  });

  it('answers what the first request was answered, with the keys of the body in any order', async () => {
    const first = await start('order', { input: { a: 1, b: [2, { c: 3, d: 4 }] }, priority: 1 });
    const runId = String(first.body.run_id);
    await call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} });
    const again = await start('order', { priority: 1, input: { b: [2, { d: 4, c: 3 }], a: 1 } });
    expect({ status: again.status, body: again.body }).toEqual({ status: 200, body: first.body });
    expect(again.headers.get('location')).toBe(`/runs/${runId}`);
  });

  it('with another body is 422, and nothing is written', async () => {
    await start('reused', { input: 1 });
    const before = await gateway.stored();
    expect(await start('reused', { input: 2 })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await gateway.stored()).toBe(before);
  });

  it('is one user’s', async () => {
    const bob = await gateway.key({ user_id: 'bob' });
    const mine = await start('shared', { input: 1 });
    const theirs = await start('shared', { input: 2 }, bob);
    expect(theirs.status).toBe(202);
    expect(theirs.body.run_id).not.toBe(mine.body.run_id);
  });

  it('of a gateway that died between reservation and append is completed by the repeat', async () => {
    const address = { tenant_id: 'acme', run_id: '01BX5ZZKBKACTAV9WEVGEMMVRZ' };
    const body = StartRequest.parse({ agent_id: 'ticker', input: 'half', env: { TOKEN: 'canary' } });
    const reservation = reservationKey({ tenant_id: 'acme', user_id: 'ann' }, 'half-done');
    const prepared = gateway.runLog.prepareStart(
      { type: 'StartRun', request: requested(address.run_id, reservation) },
      address,
    );
    const record = { run_id: address.run_id, body_sha256: bodyFingerprint(body), start: prepared };
    await new Buckets(gateway.connection).create('idempotency', reservation, JSON.stringify(record));
    expect((await gateway.runLog.page(address, 0, 10)).last_seq).toBe(0);

    const completed = await start('half-done', { input: 'half', env: { TOKEN: 'canary' } });
    expect(completed).toMatchObject({
      status: 200,
      body: { run_id: address.run_id, status: 'queued', seq: 1 },
    });
    const { lines } = await gateway.runLog.page(address, 0, 10);
    expect(lines.map((stored) => `${stored.line}\n`).join('')).toBe(prepared.payload);
    expect(await new Buckets(gateway.connection).get('run-env', `acme.${address.run_id}`)).toBeDefined();
  });

  it('on the streaming start gives the same run’s stream', async () => {
    const first = await start('streamed', { input: 1 });
    const runId = String(first.body.run_id);
    await call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} });
    const stream = await call('POST', `${gateway.url}/agents/run-code/stream`, {
      key,
      body: { agent_id: 'ticker', input: 1 },
      headers: { 'idempotency-key': 'streamed' },
    });
    expect(stream.headers.get('idempotency-replayed')).toBe('true');
    expect(stream.text).toContain(`"run_id":"${runId}"`);
    expect(stream.text.match(/^id: \d+$/gm)).toEqual(['id: 1', 'id: 2', 'id: 3', 'id: 4']);
  });
});

const requested = (runId: string, reservation: string) => ({
  agent_id: 'ticker',
  agent_name: 'Ticker',
  agent_revision: 1,
  agent_sha256: '0'.repeat(64),
  input: 'half',
  env_keys: ['TOKEN'],
  tenant_id: 'acme',
  user_id: 'ann',
  channel: 'api' as const,
  root_run_id: runId,
  depth: 0,
  labels: {},
  priority: 0,
  limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
  trace: false,
  idempotency_key_sha256: reservation,
  schema: SCHEMA,
});
