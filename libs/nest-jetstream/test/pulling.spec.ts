import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBroker, type TestBroker, waitFor } from '@runledger/testkit';
import { type Broker, connectBroker } from '../src/index.ts';
import { controllerOf, definitionOf, durableInfo, startConsumers, testStream } from './consumer-fixture.ts';

// Hunts lost back-pressure, lost order, and messages that nobody takes because one process sits on them.

const shortWork = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3));

describe('pulling', () => {
  let server: TestBroker;
  let broker: Broker;

  beforeAll(async () => {
    server = await startBroker({ syncAlways: false });
    broker = await connectBroker({ url: server.url, name: 'pulling' });
  });
  afterAll(async () => {
    await broker?.close();
    await server?.stop();
  });

  it('R2: under 200 messages as many handlers run as the concurrency says, and never more', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { concurrency: 5 });
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => broker.js.publish(`${stream}.s${index % 20}`, String(index))),
    );
    let running = 0;
    let most = 0;
    const seen: string[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data }) => {
        most = Math.max(most, ++running);
        await shortWork();
        running -= 1;
        seen.push(data);
      }),
    ]);
    await waitFor(async () => (await durableInfo(broker, definition)).ack_floor.stream_seq === 200, {
      describe: '200 acks',
    });
    expect(most).toBe(5);
    expect(new Set(seen).size).toBe(200);
    expect(seen).toHaveLength(200);
    await app.close();
  });

  it('R1: what one full process cannot take, another one gets at once', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { concurrency: 2 });
    const gate = Promise.withResolvers<void>();
    const busy = await startConsumers(broker, [controllerOf(definition, () => gate.promise)]);
    await Promise.all([1, 2].map((n) => broker.js.publish(`${stream}.${n}`, String(n))));
    await waitFor(() => busy.strategy.states()[0]?.inFlight === 2, { describe: 'two held' });
    const taken: string[] = [];
    const other = await connectBroker({ url: server.url, name: 'other' });
    const free = await startConsumers(other, [
      controllerOf(definition, async ({ data }) => void taken.push(data)),
    ]);
    await Promise.all([3, 4, 5].map((n) => broker.js.publish(`${stream}.${n}`, String(n))));
    await waitFor(() => taken.length === 3, { describe: 'the other three', timeoutMs: 3_000 });
    gate.resolve();
    await Promise.all([busy.close(), free.close()]);
    await other.close();
  });

  it('R4: messages of one subject are handled in order, one at a time; subjects run side by side', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { concurrency: 8, serialBySubject: true });
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        broker.js.publish(`${stream}.s${index % 3}`, String(Math.floor(index / 3))),
      ),
    );
    const order = new Map<string, number[]>();
    const inside = new Set<string>();
    let sideBySide = 0;
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data, subject }) => {
        expect(inside.has(subject)).toBe(false);
        inside.add(subject);
        sideBySide = Math.max(sideBySide, inside.size);
        await shortWork();
        order.set(subject, [...(order.get(subject) ?? []), Number(data)]);
        inside.delete(subject);
      }),
    ]);
    await waitFor(() => app.settled.length === 60, { describe: '60 settlements' });
    expect(new Set(app.settled)).toEqual(new Set(['done']));
    for (const handled of order.values())
      expect(handled).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(sideBySide).toBeGreaterThan(1);
    await app.close();
  });

  it('R4: what waits behind a failed message of its subject is not handled before it', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { concurrency: 4, serialBySubject: true });
    for (const data of ['1', '2', '3']) await broker.js.publish(`${stream}.a`, data);
    const handled: string[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data, delivery }) => {
        if (data === '1' && delivery === 1) throw new Error('not yet');
        handled.push(data);
      }),
    ]);
    await waitFor(() => handled.length === 3, { describe: 'all three' });
    expect(handled).toEqual(['1', '2', '3']);
    await app.close();
  });

  it('R5: a stream that is not there yet is waited for, said and counted as waiting', async () => {
    const name = `LATE${Date.now()}`;
    const definition = definitionOf(name);
    const taken: string[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data }) => void taken.push(data)),
    ]);
    await waitFor(() => app.strategy.states()[0]?.problem !== undefined, { describe: 'the problem' });
    expect(app.strategy.states()[0]).toMatchObject({
      phase: 'waiting',
      problem: 'stream not found',
      durable: definition.durable,
    });
    expect(
      app.log.lines.some(({ level, message }) => level === 'warn' && message.includes('stream not found')),
    ).toBe(true);
    const jsm = await broker.jsm();
    await jsm.streams.add({ name, subjects: [`${name}.>`] });
    await broker.js.publish(`${name}.a`, 'x');
    await waitFor(() => taken.length === 1, { describe: 'the message' });
    expect(app.strategy.states()[0]?.phase).toBe('consuming');
    await app.close();
  });

  it('R5: a durable that somebody deletes is made again', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream);
    const taken: string[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data }) => void taken.push(data)),
    ]);
    await waitFor(() => app.strategy.states()[0]?.phase === 'consuming', { describe: 'it consumes' });
    const jsm = await broker.jsm();
    await jsm.consumers.delete(stream, definition.durable);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(() => taken.length === 1, { describe: 'the message', timeoutMs: 15_000 });
    await app.close();
  });

  it('R6: draining finishes what runs and hands back what waits; the next process gets it at once', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { concurrency: 3, serialBySubject: true });
    for (const data of ['1', '2', '3']) await broker.js.publish(`${stream}.a`, data);
    const gate = Promise.withResolvers<void>();
    const finished: string[] = [];
    const leaving = await startConsumers(broker, [
      controllerOf(definition, async ({ data }) => {
        await gate.promise;
        finished.push(data);
      }),
    ]);
    await waitFor(() => leaving.strategy.states()[0]?.inFlight === 3, {
      describe: 'three held, one running',
    });
    const closed = leaving.close();
    gate.resolve();
    await closed;
    expect(finished).toEqual(['1']);
    expect(leaving.settled.toSorted()).toEqual(['done', 'returned', 'returned']);
    const taken: string[] = [];
    const other = await connectBroker({ url: server.url, name: 'next' });
    const next = await startConsumers(other, [
      controllerOf(definition, async ({ data }) => void taken.push(data)),
    ]);
    await waitFor(() => taken.length === 2, { describe: 'the two handed back', timeoutMs: 3_000 });
    expect(taken).toEqual(['2', '3']);
    await next.close();
    await other.close();
  });
});
