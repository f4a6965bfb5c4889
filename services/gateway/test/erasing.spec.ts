import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SCOPES } from '../src/keys/index.ts';
import { type Answer, call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { openViewStore } from '@runledger/view-store';
import { applyCommit } from '@runledger/run-views';
import { decodeEvent } from '@runledger/wire';

describe('DELETE /runs/{run_id}', () => {
  let gateway: RunningGateway;
  let ann: string;
  let bob: string;
  let stranger: string;
  let admin: string;
  let colleague: string;
  let reader: string;
  beforeAll(async () => {
    gateway = await startGateway();
    const scopes = SCOPES.filter((scope) => scope !== 'admin' && scope !== 'runs:read:all');
    ann = await gateway.key();
    bob = await gateway.key({ user_id: 'bob', workspace_ids: [] });
    stranger = await gateway.key({ tenant_id: 'umbrella', scopes: [...scopes, 'admin'] });
    admin = await gateway.key({ user_id: 'root', workspace_ids: [], scopes: ['admin'] });
    colleague = await gateway.key({ user_id: 'cat', workspace_ids: ['lab'] });
    reader = await gateway.key({ scopes: ['runs:read', 'runs:start'] });
  });
  afterAll(() => gateway.stop());

  const erase = (runId: string, key: string): Promise<Answer> =>
    call('DELETE', `${gateway.url}/runs/${runId}`, { key });
  const get = (path: string, key: string): Promise<Answer> =>
    call('GET', `${gateway.url}/runs/${path}`, { key });

  async function started(body: object = {}, headers: Record<string, string> = {}): Promise<string> {
    const answer = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key: ann,
      body: { agent_id: 'ticker', workspace_id: 'lab', ...body },
      headers,
    });
    expect(answer.status).toBeLessThan(300);
    return String(answer.body.run_id);
  }

  async function ended(body: object = {}, headers: Record<string, string> = {}): Promise<string> {
    const runId = await started(body, headers);
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.succeed('done');
    return runId;
  }

  /** The view that the reconciler would have written. */
  async function viewed(runId: string): Promise<void> {
    const address = { tenant_id: 'acme', run_id: runId };
    const { lines, digest } = await gateway.runLog.page(address, 0, 100);
    const view = applyCommit(
      undefined,
      lines.map(({ line }) => decodeEvent(line)),
      digest,
    );
    const store = await openViewStore(gateway.settings);
    if (view) await store.put(view, 0);
    await store.close();
  }

  it('is 409 while the run has not ended, and nothing is written', async () => {
    const queued = await started();
    expect(await erase(queued, ann)).toMatchObject({ status: 409, body: { code: 'run_not_ended' } });
    const executor = await PretendExecutor.begin(gateway.runLog, queued);
    expect(await erase(queued, ann)).toMatchObject({ status: 409, body: { code: 'run_not_ended' } });
    await executor.succeed('done');
    expect((await get(queued, ann)).status).toBe(200);
  });

  it('is 202, again too; from then on the run is 410 everywhere', async () => {
    const runId = await ended();
    expect((await get(runId, ann)).status).toBe(200);
    const first = await erase(runId, ann);
    expect(first).toMatchObject({ status: 202, body: { run_id: runId, status: 'erasing', erased_at: null } });
    const again = await erase(runId, ann);
    expect({ status: again.status, body: again.body }).toEqual({ status: 202, body: first.body });
    const gone = await Promise.all([
      get(runId, ann),
      get(`${runId}?at=1`, ann),
      get(`${runId}/events`, ann),
      call('GET', `${gateway.url}/runs/${runId}/events`, {
        key: ann,
        headers: { accept: 'application/x-ndjson' },
      }),
      get(`${runId}/stream`, ann),
      get(`${runId}/blobs/${'0'.repeat(64)}`, ann),
      call('POST', `${gateway.url}/runs/${runId}/stop`, { key: ann, body: {} }),
    ]);
    for (const answer of gone)
      expect(answer).toMatchObject({ status: 410, body: { code: 'run_erased', oldest_seq: null } });
    for (const answer of gone) expect(answer.text).not.toContain('ticker');
  });

  it('says 403 and 404 as before the run was erased, to the same people', async () => {
    const runId = await ended();
    const before = {
      bob: (await get(runId, bob)).status,
      stranger: (await get(runId, stranger)).status,
      colleague: (await get(runId, colleague)).status,
      admin: (await get(runId, admin)).status,
    };
    expect(before).toEqual({ bob: 403, stranger: 404, colleague: 200, admin: 200 });
    const refused = { bob: 403, stranger: 404, colleague: 403, reader: 403 };
    const tries = async () => ({
      bob: (await erase(runId, bob)).status,
      stranger: (await erase(runId, stranger)).status,
      colleague: (await erase(runId, colleague)).status,
      reader: (await erase(runId, reader)).status,
    });
    expect(await tries()).toEqual(refused);
    expect((await get(runId, ann)).status).toBe(200);
    expect((await erase(runId, admin)).status).toBe(202);
    expect(await tries()).toEqual(refused);
    expect({
      bob: (await get(runId, bob)).status,
      stranger: (await get(runId, stranger)).status,
      colleague: (await get(runId, colleague)).status,
      admin: (await get(runId, admin)).status,
    }).toEqual({ bob: 403, stranger: 404, colleague: 410, admin: 410 });
    expect((await call('DELETE', `${gateway.url}/runs/${runId}`)).status).toBe(401);
    expect((await erase('01BX5ZZKBKACTAV9WEVGEMMVRZ', ann)).status).toBe(404);
    expect((await erase('nonsense', ann)).status).toBe(400);
  });

  it('takes the run out of lists though its view is still there', async () => {
    const kept = await ended({ labels: { spec: 'list' } });
    const erased = await ended({ labels: { spec: 'list' } });
    await viewed(kept);
    await viewed(erased);
    const listed = async () =>
      (
        (await call('GET', `${gateway.url}/runs?label=spec:list`, { key: ann })).body.runs as {
          run_id: string;
        }[]
      ).map((run) => run.run_id);
    expect(await listed()).toEqual([erased, kept]);
    await erase(erased, ann);
    expect(await listed()).toEqual([kept]);
  });

  it('of a child waits for its parent', async () => {
    const parent = await started();
    const parentExecutor = await PretendExecutor.begin(gateway.runLog, parent);
    const child = '01BX5ZZKBKACTAV9WEVGEMMVRC';
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id: parent }, 0, 1);
    const request = decodeEvent(lines[0]?.line ?? '').data as Parameters<
      typeof gateway.runLog.prepareStart
    >[0]['request'];
    const address = { tenant_id: 'acme', run_id: child };
    await gateway.runLog.completeStart(
      gateway.runLog.prepareStart(
        { type: 'StartRun', request: { ...request, parent: { run_id: parent, call_id: 'c1' }, depth: 1 } },
        address,
      ),
    );
    await (await PretendExecutor.begin(gateway.runLog, child)).succeed('done');
    const refused = await erase(child, ann);
    expect(refused).toMatchObject({ status: 409, body: { code: 'run_not_ended' } });
    expect(refused.body.detail).toContain(parent);
    await parentExecutor.succeed('done');
    expect((await erase(parent, ann)).status).toBe(202);
    expect((await erase(child, ann)).status).toBe(202);
  });

  it('holds its idempotency key until its record is gone; then the key starts a new run', async () => {
    const headers = { 'idempotency-key': 'once' };
    const runId = await ended({ env: { TOKEN: 'x' } }, headers);
    await erase(runId, ann);
    const before = await gateway.stored();
    const held = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key: ann,
      body: { agent_id: 'ticker', workspace_id: 'lab', env: { TOKEN: 'x' } },
      headers,
    });
    expect(held).toMatchObject({ status: 410, body: { code: 'run_erased' } });
    expect(await gateway.stored()).toBe(before);
    const jsm = await gateway.connection.jsm();
    const record = await jsm.streams.getMessage('KV_idempotency', { last_by_subj: '$KV.idempotency.>' });
    expect(record?.string()).toContain(runId);
    await jsm.streams.deleteMessage('KV_idempotency', record?.seq ?? 0, true);
    const next = await started({ env: { TOKEN: 'x' } }, headers);
    expect(next).not.toBe(runId);
  });
});
