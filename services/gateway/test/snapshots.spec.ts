import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunView } from '@runledger/run-views';
import { Snapshots, SNAPSHOT_EVERY } from '../src/runs/read/snapshots.ts';
import { appendText, MOST_CHARACTERS, NOTHING_SAID } from '../src/stream/snapshot/transcript.ts';
import { call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

describe('snapshots', () => {
  const view = (seq: number): RunView => ({ seq }) as RunView;

  it('are kept apart, whatever the order, and found from any event', () => {
    const snapshots = new Snapshots();
    for (let seq = 10_000; seq > 0; seq -= 100) snapshots.keep('run', view(seq));
    for (let seq = SNAPSHOT_EVERY; seq < 10_500; seq += 333) {
      const found = snapshots.before('run', seq)?.seq ?? 0;
      expect(found).toBeLessThanOrEqual(seq);
      expect(seq - found).toBeLessThan(2 * SNAPSHOT_EVERY);
    }
    expect(snapshots.before('run', SNAPSHOT_EVERY - 1)).toBeUndefined();
    expect(snapshots.before('other', 5_000)).toBeUndefined();
  });

  it('no more than there may be: who was not asked for longest goes first', () => {
    const snapshots = new Snapshots(4);
    for (const run of ['a', 'b']) for (const seq of [1_000, 2_000]) snapshots.keep(run, view(seq));
    snapshots.before('a', 5_000);
    snapshots.keep('c', view(1_000));
    const kept = ['a', 'b', 'c'].map((run) => snapshots.before(run, 5_000)?.seq);
    expect(kept).toEqual([2_000, undefined, 1_000]);
  });
});

describe('the text of a run', () => {
  const said = (seq: number, message_id: string, text: string, channel = 'text') => ({
    seq,
    type: 'text.appended',
    line: JSON.stringify({
      seq,
      type: 'text.appended',
      at: '2026-11-21T10:00:00.000Z',
      run_id: '01M7Z1VMDZR630TW9CBWM0QVWA',
      attempt: 1,
      data: { turn: 1, message_id, channel, text },
    }),
  });

  it('is one text for each message, and is not appended twice', () => {
    const lines = [
      said(1, 'a', 'he'),
      said(2, 'a', 'why', 'reasoning'),
      said(3, 'a', 'llo'),
      said(4, 'b', '!'),
    ];
    const whole = appendText(NOTHING_SAID, lines);
    expect(whole).toEqual({
      seq: 4,
      dropped: 0,
      messages: [
        { message_id: 'a', turn: 1, channel: 'text', text: 'hello' },
        { message_id: 'a', turn: 1, channel: 'reasoning', text: 'why' },
        { message_id: 'b', turn: 1, channel: 'text', text: '!' },
      ],
    });
    expect(appendText(appendText(NOTHING_SAID, lines.slice(0, 3)), lines)).toEqual(whole);
  });

  it('loses its oldest messages when there is too much of it, and says how many', () => {
    const half = 'x'.repeat(MOST_CHARACTERS / 2);
    const lines = ['a', 'b', 'c', 'd'].map((id, at) => said(at + 1, id, half));
    const { dropped, messages } = appendText(NOTHING_SAID, lines);
    expect([dropped, messages.map(({ message_id }) => message_id)]).toEqual([2, ['c', 'd']]);
    const huge = appendText(NOTHING_SAID, [said(1, 'a', 'a'), said(2, 'b', half + half + half)]);
    expect([huge.dropped, huge.messages.length]).toEqual([1, 1]);
  });
});

describe('a stream that begins with a snapshot', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const text = (text_: string) => ({
    type: 'text.appended' as const,
    data: { turn: 1, message_id: 'm1', channel: 'text' as const, text: text_ },
  });
  const url = (runId: string, query: string): string => `${gateway.url}/runs/${runId}/stream?${query}`;
  const begin = async (): Promise<[string, PretendExecutor]> => {
    const start = `${gateway.url}/agents/run-code/start`;
    const runId = String((await call('POST', start, { key, body: { agent_id: 'ticker' } })).body.run_id);
    return [runId, await PretendExecutor.begin(gateway.runLog, runId)];
  };
  const dataOf = (client: { text: string }): Record<string, unknown> =>
    JSON.parse(/^id: \d+\nevent: snapshot\ndata: (.*)\n\n/m.exec(client.text)?.[1] ?? '{}') as Record<
      string,
      unknown
    >;

  it('has the run as ?at= has it, its text, and then every event after it', async () => {
    const [runId, executor] = await begin();
    await executor.record(text('Hel'), text('lo'));
    const client = await SseClient.open(url(runId, 'snapshot=true'), { authorization: `Bearer ${key}` });
    await client.until((it) => it.ids.length === 1);
    expect(client.text.startsWith('retry: 1000\n\nid: 4\nevent: snapshot\n')).toBe(true);
    const snapshot = dataOf(client);
    expect(snapshot).toEqual({
      seq: 4,
      run: (await call('GET', `${gateway.url}/runs/${runId}?at=4`, { key })).body,
      messages: [{ message_id: 'm1', turn: 1, channel: 'text', text: 'Hello' }],
      messages_dropped: 0,
    });
    await executor.record(text(' there'));
    await executor.succeed('done');
    await client.until((it) => it.ended === 'end');
    expect(client.ids).toEqual([4, 5, 6]);
    const late = await call('GET', url(runId, 'snapshot=true'), { key });
    expect(dataOf(late)).toMatchObject({
      seq: 6,
      run: { status: 'success' },
      messages: [{ text: 'Hello there' }],
    });
  });

  it('goes on without one when it is resumed', async () => {
    const [runId, executor] = await begin();
    await executor.succeed('done');
    const resumed = await call('GET', url(runId, 'snapshot=true'), {
      key,
      headers: { 'last-event-id': '1' },
    });
    expect([...resumed.text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)).toEqual(['2', '3']);
    expect(resumed.text).not.toContain('event: snapshot');
    const headers = { 'last-event-id': '3' };
    expect((await call('GET', url(runId, 'snapshot=true'), { key, headers })).status).toBe(204);
  });

  it.each([
    ['snapshot=true&after=1', '/after'],
    ['snapshot=false', '/snapshot'],
    ['snapshot=true&format=ag-ui', '/snapshot'],
  ])('%s is refused', async (query, pointer) => {
    const [runId, executor] = await begin();
    await executor.succeed('done');
    expect(await call('GET', url(runId, query), { key })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer }] },
    });
  });
});
