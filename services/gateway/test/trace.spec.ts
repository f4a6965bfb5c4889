import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers as brokerHeaders } from '@nats-io/transport-node';
import { buildCommit, decodeEvent, encodeCommit } from '@runledger/wire';
import { call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('traces', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const startRun = async (): Promise<string> => {
    const body = { agent_id: 'ticker', input: { text: 'Grüße' } };
    return String((await call('POST', `${gateway.url}/agents/run-code/start`, { key, body })).body.run_id);
  };
  const fetchTrace = (runId: string, credential = key): Promise<Response> =>
    fetch(`${gateway.url}/runs/${runId}/trace`, { headers: { authorization: `Bearer ${credential}` } });
  const recordsOf = async (runId: string): Promise<string[]> =>
    gunzipSync(Buffer.from(await (await fetchTrace(runId)).arrayBuffer()))
      .toString()
      .trimEnd()
      .split('\n');
  const storedLines = async (runId: string): Promise<string[]> => {
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 5000);
    return lines.map(({ line }) => line);
  };

  it('are a header and every stored line, each with the digest after it, and the same whenever they are asked for', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    for (let round = 0; round < 30; round++)
      await executor.say(...Array.from({ length: 40 }, (_, at) => `${round}.${at} ü`));
    await executor.succeed('done');
    const response = await fetchTrace(runId);
    expect(response.headers.get('content-type')).toBe('application/gzip');
    expect(response.headers.get('content-encoding')).toBe(null);
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${runId}.ndjson.gz"`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(Buffer.from(await (await fetchTrace(runId)).arrayBuffer()).equals(bytes)).toBe(true);
    const [header, ...records] = gunzipSync(bytes).toString().trimEnd().split('\n');
    const lines = await storedLines(runId);
    let digest = '';
    const wanted = lines.map((line) => `${line.slice(0, -1)},"digest":"${(digest = sha(digest + line))}"}`);
    expect(records).toEqual(wanted);
    expect(records.length).toBeGreaterThan(1_200);
    const run = (await call('GET', `${gateway.url}/runs/${runId}`, { key })).body;
    expect(header).toBe(
      `{"trace":1,"run_id":"${runId}","seq":${lines.length},"digest":"${String(run.digest)}"}`,
    );
  });

  it('are of the run as it is now', async () => {
    const runId = await startRun();
    expect(await recordsOf(runId)).toHaveLength(2);
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('one');
    await executor.release();
    expect(await recordsOf(runId)).toHaveLength(4);
  });

  /** A run with a first event, and commits of three events each; `alter` changes what is stored of the first of them. */
  const alteredRun = async (
    commits: number,
    alter: (payload: string) => string,
  ): Promise<{ runId: string; first: string; digests: string[] }> => {
    const runId = await startRun();
    const [line = ''] = await storedLines(runId);
    const loaded = await gateway.runLog.load({ tenant_id: 'acme', run_id: runId });
    const digests: string[] = [];
    let { stream_seq } = loaded;
    for (let at = 0; at < commits; at++) {
      const events = [2, 3, 4].map((seq) => ({
        ...decodeEvent(line),
        seq: seq + 3 * at,
        type: 'log.written',
        data: { index: seq, level: 'info', source: 'agent', message: `number ${seq + 3 * at}` },
      }));
      const commit = buildCommit(events as Parameters<typeof buildCommit>[0], {
        commit_id: `c${at}`,
        writer: 'spec',
        previous_digest: digests.at(-1) ?? loaded.digest,
        checkpoint: 0,
        number: loaded.commits + 1 + at,
      });
      digests.push(commit.digest);
      const { headers, payload } = encodeCommit(commit);
      const hdrs = brokerHeaders();
      for (const [name, value] of Object.entries(headers)) hdrs.set(name, value);
      const stored = await gateway.connection.js.publish(
        `runs.acme.${runId}`,
        at === 0 ? alter(payload) : payload,
        { headers: hdrs, expect: { lastSubjectSequence: stream_seq } },
      );
      stream_seq = stored.seq;
    }
    return { runId, first: loaded.digest, digests };
  };

  it('say the digest that was stored, and none of those before it, where the stored lines do not fit it', async () => {
    const { runId, first, digests } = await alteredRun(1, (payload) =>
      payload.replace('number 3', 'number 7'),
    );
    const [header, one, two, three, four] = await recordsOf(runId);
    expect(header).toContain(`"seq":4,"digest":"${digests[0]}"`);
    expect(one).toContain(`"digest":"${first}"}`);
    expect(two?.endsWith('"number 2"},"digest":null}')).toBe(true);
    expect(three?.endsWith('"number 7"},"digest":null}')).toBe(true);
    expect(four?.endsWith(`"number 4"},"digest":"${digests[0]}"}`)).toBe(true);
  });

  it('end where what is stored is no commit any more, and their header says that there should be more', async () => {
    const { runId, digests } = await alteredRun(3, (payload) => payload.replace('number', 'num\nber'));
    const records = await recordsOf(runId);
    expect(records).toHaveLength(2);
    expect(records[0]).toContain(`"seq":10,"digest":"${digests[2]}"`);
  });

  it('do not look whole where the log has lost something', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    for (let round = 0; round < 40; round++)
      await executor.say(`${round} ${randomBytes(30_000).toString('hex')}`);
    await executor.succeed('done');
    const jsm = await gateway.connection.jsm();
    const subject = `runs.acme.${runId}`;
    const last = await jsm.streams.getMessage('RUNS', { last_by_subj: subject });
    const query = { seq: (last?.seq ?? 0) - 5, next_by_subj: subject };
    const inside = await jsm.streams.getMessage('RUNS', query);
    await jsm.streams.deleteMessage('RUNS', inside?.seq ?? 0);
    const response = await fetchTrace(runId);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow('terminated');
  });

  it("are nobody else's, and gone with the run", async () => {
    const runId = await startRun();
    const { status } = await fetchTrace(runId, await gateway.key({ user_id: 'ben', workspace_ids: [] }));
    expect(status).toBe(403);
    expect((await fetchTrace('01JD0000000000000000000000')).status).toBe(404);
    await call('POST', `${gateway.url}/runs/${runId}/stop`, { key });
    expect((await call('DELETE', `${gateway.url}/runs/${runId}`, { key })).status).toBe(202);
    expect((await fetchTrace(runId)).status).toBe(410);
  });
});
