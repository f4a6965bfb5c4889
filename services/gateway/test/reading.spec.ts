import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { foldEvents, type RunView } from '@runledger/run-views';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { chainDigest, decodeEvent, queueKey } from '@runledger/wire';
import { Buckets } from '../src/broker/buckets.ts';
import { type Answer, call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('reading runs', () => {
  let gateway: RunningGateway;
  let key: string;
  let views: ViewStore;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
    views = await openViewStore(gateway.settings);
  });
  afterAll(async () => {
    await views.close();
    await gateway.stop();
  });

  const startRun = async (body: object = {}, credential = key): Promise<string> =>
    String(
      (
        await call('POST', `${gateway.url}/agents/run-code/start`, {
          key: credential,
          body: { agent_id: 'ticker', ...body },
        })
      ).body.run_id,
    );
  const read = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    call('GET', gateway.url + path, { key, headers });
  const lines = async (runId: string): Promise<string[]> =>
    (await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 5000)).lines.map(
      (stored) => stored.line,
    );

  /** What the reconciler would have written after event `seq`. */
  const writeView = async (runId: string, seq: number): Promise<void> => {
    const until = (await lines(runId)).slice(0, seq);
    const view = { ...(foldEvents(until.map(decodeEvent)) as RunView), digest: chainDigest('', until) };
    expect(await views.put(view, (await views.get('acme', runId))?.seq ?? 0)).toBe(true);
  };

  const endedRun = async (): Promise<string> => {
    const runId = await startRun({ input: { a: 1 } });
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('one', 'two');
    await executor.succeed('done');
    return runId;
  };

  it('is never stale: without a view, with an old one and with a current one the answer is the same', async () => {
    const runId = await endedRun();
    const fromLog = await read(`/runs/${runId}`);
    expect(fromLog.body).toMatchObject({
      status: 'success',
      result: 'done',
      input: { a: 1 },
      seq: 5,
      queue_position: null,
      usage: { cost_usd: 0 },
    });
    for (const seq of [1, 3, 5]) {
      await writeView(runId, seq);
      expect((await read(`/runs/${runId}`)).body).toEqual(fromLog.body);
    }
  });

  it('a hundred readers of a growing run each see at least what was there when they asked', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    const readers: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      await executor.say(...Array.from({ length: 100 }, (_, at) => `${round}.${at}`));
      const known = 2 + (round + 1) * 100;
      for (let reader = 0; reader < 5; reader += 1)
        readers.push(
          read(`/runs/${runId}`).then(({ body }) => expect(Number(body.seq)).toBeGreaterThanOrEqual(known)),
        );
    }
    await Promise.all(readers);
    await executor.succeed('done');
    expect((await read(`/runs/${runId}`)).body).toMatchObject({
      status: 'success',
      digest: chainDigest('', await lines(runId)),
    });
  });

  it('a view that is ahead of the log is not believed', async () => {
    const runId = await endedRun();
    const until = await lines(runId);
    const view = foldEvents(until.map(decodeEvent)) as RunView;
    expect(await views.put({ ...view, seq: 99, digest: '0'.repeat(64), status: 'error' }, 0)).toBe(true);
    expect((await read(`/runs/${runId}`)).body).toMatchObject({
      status: 'success',
      seq: 5,
      digest: chainDigest('', until),
    });
  });

  it('reads a run as it was after any event', async () => {
    const runId = await endedRun();
    await writeView(runId, 4);
    const all = await lines(runId);
    for (let seq = 1; seq <= 5; seq += 1) {
      const { body } = await read(`/runs/${runId}?at=${seq}`);
      expect([body.seq, body.digest]).toEqual([seq, chainDigest('', all.slice(0, seq))]);
    }
    expect((await read(`/runs/${runId}?at=1`)).body).toMatchObject({ status: 'queued', result: null });
    expect((await read(`/runs/${runId}?at=2`)).body).toMatchObject({ status: 'running' });
    expect(await read(`/runs/${runId}?at=6`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_cursor' },
    });
  });

  it('reads a long run as it was, from anywhere and in any order', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    for (let batch = 0; batch < 16; batch += 1)
      await executor.say(...Array.from({ length: 400 }, (_, at) => `${batch}.${at}`));
    await executor.succeed('done');
    const all: string[] = (await read(`/runs/${runId}/events`, { accept: 'application/x-ndjson' })).text
      .trimEnd()
      .split('\n');
    const asked = [all.length, 6_000, 3_001, 3_000, 2_999, 1, 6_399, 402, 403, 5_000, 2_222, all.length - 1];
    for (const seq of [...asked, ...asked.toReversed()]) {
      const { cost_usd_exact: _, ...usage } = (foldEvents(all.slice(0, seq).map(decodeEvent)) as RunView)
        .usage;
      const wanted = foldEvents(all.slice(0, seq).map(decodeEvent)) as RunView;
      const digest = chainDigest('', all.slice(0, seq));
      const { body } = await read(`/runs/${runId}?at=${seq}`);
      const { queue_position, limits: __, ...shown } = body;
      expect(queue_position).toBeNull();
      const { limits: ___, ...expected } = wanted;
      expect(shown).toEqual({ ...expected, usage, digest });
    }
  });

  it('has the digest as its ETag and answers 304 to it', async () => {
    const runId = await startRun();
    const first = await read(`/runs/${runId}`);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toBe(`"${String(first.body.digest)}"`);
    const unchanged = await read(`/runs/${runId}`, { 'if-none-match': `"other", W/${etag}` });
    expect({ status: unchanged.status, text: unchanged.text }).toEqual({ status: 304, text: '' });
    await call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} });
    expect(await read(`/runs/${runId}`, { 'if-none-match': etag })).toMatchObject({
      status: 200,
      body: { status: 'stopped' },
    });
  });

  it('shows the place in the queue while there is one, and a new ETag when it moves', async () => {
    const dora = await gateway.key({ user_id: 'dora' });
    const runId = await startRun({}, dora);
    const queue = (...ids: string[]): Promise<number> =>
      new Buckets(gateway.connection).put(
        'queue',
        queueKey('acme', 'dora'),
        JSON.stringify({ run_ids: ids, as_of: 1 }),
      );
    await queue('another', runId);
    const second = await call('GET', `${gateway.url}/runs/${runId}`, { key: dora });
    expect(second.body).toMatchObject({ status: 'queued', queue_position: 2 });
    await queue(runId);
    const headers = { 'if-none-match': second.headers.get('etag') ?? '' };
    expect(await call('GET', `${gateway.url}/runs/${runId}`, { key: dora, headers })).toMatchObject({
      status: 200,
      body: { queue_position: 1 },
    });
  });

  it('pages through events as JSON, and as the stored lines', async () => {
    const runId = await endedRun();
    const first = await read(`/runs/${runId}/events?limit=2`);
    expect(first.body).toMatchObject({ events: [{ seq: 1 }, { seq: 2 }], next_after: 2, has_more: true });
    const rest = await read(`/runs/${runId}/events?after=2`);
    expect(rest.body).toMatchObject({
      events: [{ seq: 3 }, { seq: 4 }, { seq: 5 }],
      next_after: 5,
      has_more: false,
    });
    expect((await read(`/runs/${runId}/events?after=5`)).body).toEqual({
      events: [],
      next_after: 5,
      has_more: false,
    });
    const ndjson = await read(`/runs/${runId}/events`, { accept: 'application/x-ndjson' });
    expect(ndjson.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
    expect(ndjson.text).toBe((await lines(runId)).map((line) => `${line}\n`).join(''));
    const two = await read(`/runs/${runId}/events?after=1&limit=2`, { accept: 'application/x-ndjson' });
    expect(two.text).toBe(
      (await lines(runId))
        .slice(1, 3)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const none = await read(`/runs/${runId}/events?after=5`, { accept: 'application/x-ndjson' });
    expect({ status: none.status, text: none.text }).toEqual({ status: 200, text: '' });
  });

  it('sends all lines of a long run as NDJSON', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    for (let batch = 0; batch < 5; batch += 1)
      await executor.say(...Array.from({ length: 500 }, (_, at) => `${batch}.${at}`));
    await executor.succeed('done');
    const ndjson = await read(`/runs/${runId}/events`, { accept: 'application/x-ndjson' });
    expect(ndjson.text).toBe((await lines(runId)).map((line) => `${line}\n`).join(''));
    expect(ndjson.text.match(/\n/g)?.length).toBeGreaterThan(2500);
    expect((await read(`/runs/${runId}`)).body).toMatchObject({
      status: 'success',
      digest: chainDigest('', await lines(runId)),
    });
  });

  it('lists own runs only, newest first, by every filter and page', async () => {
    const carl = await gateway.key({ user_id: 'carl' });
    const other = await startRun({ labels: { team: 'a' } });
    await writeView(other, 1);
    const ids: string[] = [];
    for (const team of ['a', 'b', 'a']) {
      const runId = await startRun({ labels: { team } }, carl);
      await writeView(runId, 1);
      ids.unshift(runId);
    }
    const list = async (query: string): Promise<unknown[]> => {
      const answer = await call('GET', `${gateway.url}/runs?${query}`, { key: carl });
      expect(answer.status).toBe(200);
      return (answer.body.runs as { run_id: string }[]).map((run) => run.run_id);
    };
    expect(await list('')).toEqual(ids);
    expect(await list('label=team:a')).toEqual([ids[0], ids[2]]);
    expect(await list('agent_id=ticker&status=queued,running')).toEqual(ids);
    expect(await list('status=success')).toEqual([]);
    expect(await list('agent_id=burst')).toEqual([]);
    expect(await list(`root_run_id=${String(ids[1])}`)).toEqual([ids[1]]);
    expect(await list(`parent_run_id=${String(ids[1])}`)).toEqual([]);
    expect(await list(`q=${String(ids[1])}`)).toEqual([ids[1]]);
    const first = await call('GET', `${gateway.url}/runs?limit=2`, { key: carl });
    expect((first.body.runs as object[]).every((run) => !('result' in run) && !('input' in run))).toBe(true);
    expect(await list(`limit=2&cursor=${encodeURIComponent(String(first.body.next_cursor))}`)).toEqual([
      ids[2],
    ]);
  });

  it('min_seq waits for the view of an event, and not for ever', async () => {
    const runId = await startRun();
    const waiting = read(`/runs?min_seq=${runId}:1&q=${runId}`);
    await writeView(runId, 1);
    expect((await waiting).body).toMatchObject({ runs: [{ run_id: runId }] });
    const begun = performance.now();
    expect((await read(`/runs?min_seq=${runId}:99`)).status).toBe(200);
    expect(performance.now() - begun).toBeGreaterThan(900);
  });
});

describe('without its views', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway({ mongodbUrl: 'mongodb://127.0.0.1:1/none' });
  });
  afterAll(() => gateway.stop());

  it('the gateway reads single runs from the log, and says that it is not ready', async () => {
    const key = await gateway.key();
    const { run_id } = (
      await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' } })
    ).body;
    expect(await call('GET', `${gateway.url}/runs/${String(run_id)}`, { key })).toMatchObject({
      status: 200,
      body: { status: 'queued', seq: 1 },
    });
    const list = await call('GET', `${gateway.url}/runs`, { key });
    expect(list).toMatchObject({ status: 503, body: { code: 'views_unavailable' } });
    expect(Number(list.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await call('GET', `${gateway.url}/readyz`)).toMatchObject({
      status: 503,
      body: { checks: { broker: 'ok', views: 'unavailable' } },
    });
    expect(await call('GET', `${gateway.url}/healthz`)).toMatchObject({ status: 200 });
  });
});
