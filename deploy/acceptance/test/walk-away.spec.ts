import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunledgerClient } from '@runledger/client';
import { waitFor } from '@runledger/testkit';
import { startCell, type Cell } from './cell.ts';
import { openStream } from './sse.ts';

/** The services as separate processes, over HTTP: start a run, walk away, come back (requirements A12). */
describe('start a run, walk away, come back', () => {
  let cell: Cell;
  let ann: RunledgerClient;
  let annKey: string;

  beforeAll(async () => {
    cell = await startCell();
    ann = await cell.client('ann');
    annKey = await cell.key('ann');
  }, 90_000);
  afterAll(() => cell.stop());

  const ended = (runId: string, timeoutMs = 20_000): Promise<Run> =>
    waitFor(async () => ann.getRun(runId).then((run) => (run.completed_at ? run : undefined)), {
      timeoutMs,
      describe: `run ${runId} to end`,
    });

  it('goes on when its stream is closed', async () => {
    const { run_id } = await ann.start({ agent_id: 'ticker', input: { count: 20, every_ms: 50 } });
    const stream = await openStream(`${cell.url}/runs/${run_id}/stream`, annKey);
    await waitFor(() => stream.frames.length >= 4, { describe: 'four frames' });
    stream.close();
    expect(await ended(run_id)).toMatchObject({ status: 'success', result: { ticks: 20 } });
  });

  it('replays everything before it goes live, and closes after the last event', async () => {
    const { run_id } = await ann.start({ agent_id: 'ticker', input: { count: 40, every_ms: 25 } });
    const first = await openStream(`${cell.url}/runs/${run_id}/stream`, annKey);
    await waitFor(() => first.frames.length >= 10, { describe: 'ten frames' });
    first.close();
    const again = await openStream(`${cell.url}/runs/${run_id}/stream`, annKey);
    await again.ended;
    expect(again.frames.map((frame) => Number(frame.id))).toEqual(again.frames.map((_, index) => index + 1));
    expect(again.frames.slice(0, 10)).toEqual(first.frames.slice(0, 10));
    expect(again.frames.at(-1)?.event).toBe('run.succeeded');
    const resumed = await openStream(`${cell.url}/runs/${run_id}/stream`, annKey, {
      headers: { 'last-event-id': '7' },
    });
    await resumed.ended;
    expect(resumed.frames).toEqual(again.frames.slice(7));
  });

  it("refuses another user's run with 403 and another tenant's with 404", async () => {
    const { run_id } = await ann.start({ agent_id: 'burst', input: { count: 1, bytes: 10 } });
    await ended(run_id);
    const bob = await cell.key('bob', 'local', ['runs:start', 'runs:read', 'runs:control']);
    const stranger = await cell.key('ann', 'other');
    for (const path of ['', '/events', '/stream'])
      for (const [key, status] of [
        [bob, 403],
        [stranger, 404],
      ] as const) {
        const answer = await fetch(`${cell.url}/runs/${run_id}${path}`, {
          headers: { authorization: `Bearer ${key}` },
        });
        expect([path, answer.status]).toEqual([path, status]);
        expect(await answer.text()).not.toContain('burst');
      }
    for (const [key, status] of [
      [bob, 403],
      [stranger, 404],
    ] as const)
      expect(
        (
          await fetch(`${cell.url}/runs/${run_id}/stop`, {
            method: 'POST',
            headers: { authorization: `Bearer ${key}` },
          })
        ).status,
      ).toBe(status);
  });

  it('keeps finished runs to be asked for after every service was replaced', async () => {
    const { run_id } = await ann.start({ agent_id: 'hello', input: { message: 'hi' } });
    const before = await ended(run_id);
    expect(before).toMatchObject({ status: 'success', result: { reply: expect.any(String) } });
    await Promise.all(cell.processes.map((process) => process.end('SIGTERM')));
    await Promise.all(cell.processes.map((process) => process.start()));
    await Promise.all(cell.processes.map((process) => process.ready()));
    expect(await ann.getRun(run_id)).toEqual(before);
    expect((await ann.listRuns({ limit: 100 })).runs.map((run) => run.run_id)).toContain(run_id);
  });

  it('answers the compatible start with the stream itself, whose first frame carries the run id', async () => {
    const stream = await openStream(`${cell.url}/agents/run-code/stream`, annKey, {
      method: 'POST',
      body: { agent_id: 'hello', input: { message: 'hi' } },
    });
    await stream.ended;
    const first = JSON.parse(stream.frames[0]?.data ?? '{}') as { run_id: string; seq: number };
    expect(first).toMatchObject({ seq: 1, run_id: expect.stringMatching(/^[0-9A-Z]{26}$/) });
    expect(stream.frames.at(-1)?.event).toBe('run.succeeded');
    expect(await ended(first.run_id)).toMatchObject({ status: 'success' });
  });

  it.each(['hello', 'hello-code', 'ticker', 'burst', 'echo-process'])(
    'runs the sample %s to a result',
    async (agent_id) => {
      const inputs: Record<string, Record<string, string | number>> = {
        ticker: { count: 3, every_ms: 10 },
        burst: { count: 50, bytes: 100 },
      };
      const { run_id } = await ann.start({ agent_id, input: inputs[agent_id] ?? { message: 'hi' } });
      expect(await ended(run_id)).toMatchObject({ status: 'success', agent_id });
      const events = [];
      for await (const event of ann.follow(run_id, { after: 0, verify: true })) events.push(event);
      expect(events.length).toBe((await ann.getRun(run_id)).seq);
    },
  );

  it('stops a run at its next boundary, and says so', async () => {
    const { run_id } = await ann.start({ agent_id: 'ticker', input: { count: 10_000, every_ms: 50 } });
    await waitFor(async () => (await ann.getRun(run_id)).status === 'running', {
      describe: 'the run to run',
    });
    await ann.stop(run_id);
    expect(await ended(run_id)).toMatchObject({ status: 'stopped' });
    await expect(ann.stop(run_id)).rejects.toMatchObject({ status: 409, code: 'run_already_ended' });
  });

  it('stops a run that still waits for its turn, at once', async () => {
    const dan = await cell.client('dan');
    const runs = await Promise.all(
      Array.from({ length: 12 }, () =>
        dan.start({ agent_id: 'ticker', input: { count: 10_000, every_ms: 100 } }),
      ),
    );
    const queued = await waitFor(
      async () => {
        const all = await Promise.all(runs.map((run) => dan.getRun(run.run_id)));
        const waiting = all.filter((run) => run.status === 'queued');
        return waiting.length === 2 && waiting.every((run) => run.queue_position !== null)
          ? waiting
          : undefined;
      },
      { timeoutMs: 15_000, describe: 'ten to run and two to wait' },
    );
    expect(queued.map((run) => run.queue_position).sort()).toEqual([1, 2]);
    for (const run of runs) await dan.stop(run.run_id);
    await waitFor(
      async () =>
        (await Promise.all(runs.map((run) => dan.getRun(run.run_id)))).every(
          (run) => run.status === 'stopped',
        ),
      {
        timeoutMs: 15_000,
        describe: 'all to be stopped',
      },
    );
  });

  it('answers 503 with Retry-After while the broker is gone, and recovers by itself', async () => {
    await cell.server.kill();
    const answer = await fetch(`${cell.url}/agents/run-code/start`, {
      method: 'POST',
      headers: { authorization: `Bearer ${annKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent_id: 'hello', input: { message: 'hi' } }),
    });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    await cell.server.restart();
    await Promise.all(cell.processes.map((process) => process.ready()));
    const { run_id } = await ann.start({ agent_id: 'hello', input: { message: 'again' } });
    expect(await ended(run_id, 30_000)).toMatchObject({ status: 'success' });
  }, 90_000);

  it('finishes what a killed executor held, and repeats no tick', async () => {
    const { run_id } = await ann.start({ agent_id: 'ticker', input: { count: 60, every_ms: 50 } });
    await waitFor(async () => (await ann.getRun(run_id)).seq > 10, { describe: 'some ticks' });
    const [executor] = cell.of('agent-executor');
    await executor?.end('SIGKILL');
    await executor?.start();
    expect(await ended(run_id, 40_000)).toMatchObject({
      status: 'success',
      result: { ticks: 60 },
      attempt: 2,
    });
    const { events } = await ann.events(run_id, { limit: 1_000 });
    const ticks = events
      .filter((event) => event.type === 'milestone.reached')
      .map((event) => (event.data as { name: string }).name);
    expect(ticks).toEqual(Array.from({ length: 60 }, (_, index) => `tick ${index + 1}`));
  }, 90_000);
});
