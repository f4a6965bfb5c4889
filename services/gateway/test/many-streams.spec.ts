import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StoredLine } from '@runledger/run-log';
import { applyCommit, type RunView } from '@runledger/run-views';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import { call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

interface Frame {
  id: string;
  run_id: string;
  seq: number;
  line: string;
}

const framesOf = (text: string): Frame[] =>
  [...text.matchAll(/^id: (.*)\nevent: .*\ndata: (.*)\n\n/gm)].map(([, id = '', line = '']) => {
    const { run_id, seq } = JSON.parse(line) as Frame;
    return { id, run_id, seq, line };
  });
const seqsOf = (frames: readonly Frame[], runId: string): number[] =>
  frames.filter((frame) => frame.run_id === runId).map(({ seq }) => seq);
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('the stream of many runs', () => {
  let gateway: RunningGateway;
  let key: string;
  let auth: Record<string, string>;
  let views: ViewStore;
  beforeAll(async () => {
    gateway = await startGateway();
    views = await openViewStore(gateway.settings);
    key = await gateway.key();
    auth = { authorization: `Bearer ${key}` };
  });
  afterAll(async () => {
    await views.close();
    await gateway.stop();
  });

  const startRun = async (): Promise<string> =>
    String(
      (await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' } })).body
        .run_id,
    );
  const open = (query: string, more: Record<string, string> = {}): Promise<SseClient> =>
    SseClient.open(`${gateway.url}/stream${query}`, { ...auth, ...more });
  const stored = async (runId: string): Promise<string[]> =>
    (await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 1_000)).lines.map(
      ({ line }: StoredLine) => line,
    );

  it('brings every run from its own cursor on, and ends after the last end', async () => {
    const [one, two] = [await startRun(), await startRun()];
    const first = await PretendExecutor.begin(gateway.runLog, one);
    const second = await PretendExecutor.begin(gateway.runLog, two);
    await first.say('a', 'b');
    const client = await open(`?runs=${one}:2,${two}`);
    await client.until((it) => framesOf(it.text).length === 4);
    await second.say('c');
    await first.succeed('done');
    await client.until((it) => framesOf(it.text).length === 6);
    expect(client.ended).toBeUndefined();
    await second.succeed('done');
    await client.until((it) => it.ended === 'end');
    const frames = framesOf(client.text);
    expect(seqsOf(frames, one)).toEqual([3, 4, 5]);
    expect(seqsOf(frames, two)).toEqual([1, 2, 3, 4]);
    const lines = [...(await stored(one)).slice(2), ...(await stored(two))];
    expect(frames.map(({ line }) => line).sort()).toEqual(lines.sort());
  });

  it('resumes after any frame without gap or repeat; after the last one there is nothing', async () => {
    const runs = [await startRun(), await startRun(), await startRun()];
    for (const runId of runs) {
      const executor = await PretendExecutor.begin(gateway.runLog, runId);
      await executor.say('a', 'b');
      await executor.succeed('done');
    }
    const query = `?runs=${runs.join(',')}`;
    const whole = framesOf((await call('GET', `${gateway.url}/stream${query}`, { key })).text);
    expect(whole).toHaveLength(15);
    for (const [at, { id }] of whole.entries()) {
      const answer = await call('GET', `${gateway.url}/stream${at % 2 === 0 ? query : ''}`, {
        key,
        headers: { 'last-event-id': id },
      });
      const seen = [...whole.slice(0, at + 1), ...framesOf(answer.text)];
      for (const runId of runs) expect(seqsOf(seen, runId)).toEqual(upTo(5));
      if (at === whole.length - 1) expect(answer.status).toBe(204);
    }
  });

  it('?types= leaves the others out', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    const client = await open(`?runs=${runId}&types=log.written`);
    await executor.say('a');
    await executor.say('b');
    await executor.succeed('done');
    await client.until((it) => it.ended === 'end');
    expect(seqsOf(framesOf(client.text), runId)).toEqual([3, 4]);
  });

  it('mine=true brings the runs in flight and those that begin later, of nobody else, and resumes', async () => {
    const other = await gateway.key({ user_id: 'eve', workspace_ids: [] });
    const mine = { key, body: { agent_id: 'ticker' } };
    const before = await startRun();
    await viewsHave(before);
    const client = await open('?mine=true');
    await client.until((it) => seqsOf(framesOf(it.text), before).length === 1);
    const start = `${gateway.url}/agents/run-code/start`;
    const later = String((await call('POST', start, mine)).body.run_id);
    const foreign = String((await call('POST', start, { ...mine, key: other })).body.run_id);
    await viewsHave(later, foreign);
    await client.until((it) => seqsOf(framesOf(it.text), later).length === 1);
    expect(seqsOf(framesOf(client.text), foreign)).toEqual([]);
    const last = framesOf(client.text).at(-1) as Frame;
    client.close();

    const executor = await PretendExecutor.begin(gateway.runLog, later);
    await executor.succeed('done');
    const meanwhile = String((await call('POST', start, mine)).body.run_id);
    await viewsHave(meanwhile);
    const again = await open('?mine=true', { 'last-event-id': last.id });
    await again.until((it) => framesOf(it.text).length >= 3);
    const frames = framesOf(again.text);
    expect(seqsOf(frames, later)).toEqual([2, 3]);
    expect(seqsOf(frames, meanwhile)).toEqual([1]);
    expect(seqsOf(frames, before)).toEqual([]);
    again.close();
  });

  it.each([
    ['', 400, 'invalid_request', '/runs'],
    ['?runs=1', 400, 'invalid_request', '/runs'],
    ['?runs=01M7Z1VMDZR630TW9CBWM0QVWA:x', 400, 'invalid_request', '/runs'],
    [
      `?runs=${Array.from({ length: 2 }, () => '01M7Z1VMDZR630TW9CBWM0QVWA').join(',')}`,
      400,
      'invalid_request',
      '/runs',
    ],
    ['?runs=01M7Z1VMDZR630TW9CBWM0QVWA&mine=true', 400, 'invalid_request', '/runs'],
    ['?mine=false', 400, 'invalid_request', '/mine'],
    ['?mine=true&after=12', 400, 'invalid_cursor', '/after'],
    ['?runs=01M7Z1VMDZR630TW9CBWM0QVWA', 404, 'run_not_found', undefined],
  ])('%s is answered %i %s', async (query, status, code, pointer) => {
    const { body, ...answer } = await call('GET', `${gateway.url}/stream${query}`, { key });
    expect({ status: answer.status, code: body.code }).toEqual({ status, code });
    if (pointer !== undefined) expect(body.errors).toMatchObject([{ pointer }]);
  });

  /** The spec's own reconciler: only these runs, only as they are now. */
  async function viewsHave(...runIds: string[]): Promise<void> {
    for (const runId of runIds) {
      const view = applyCommit(undefined, (await stored(runId)).map(decodeEvent), '');
      await views.put(view as RunView, 0);
    }
  }
});
