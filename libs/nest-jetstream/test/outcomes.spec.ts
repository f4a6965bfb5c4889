import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { startBroker, type TestBroker, waitFor } from '@runledger/testkit';
import { Poison } from '@runledger/wire';
import {
  type Broker,
  connectBroker,
  type DeadLetter,
  type Delivery,
  DurableConsumer,
  type Handled,
  KEEP,
} from '../src/index.ts';
import {
  controllerOf,
  definitionOf,
  durableInfo,
  startConsumers,
  testStream,
  unique,
} from './consumer-fixture.ts';

// Hunts wrong acks: work that is lost because it was acked too early, or done twice because it was not.

class StoreAway extends Error {
  readonly kind = 'fault';
  readonly code = 'store_away';
}

describe('what a handler answers and what becomes of its message', () => {
  let server: TestBroker;
  let broker: Broker;

  beforeAll(async () => {
    server = await startBroker({ syncAlways: false });
    broker = await connectBroker({ url: server.url, name: 'outcomes' });
    const jsm = await broker.jsm();
    await jsm.streams.add({ name: 'DEAD', subjects: ['dead.>'] });
  });
  afterAll(async () => {
    await broker?.close();
    await server?.stop();
  });

  it('D1: a handler that resolves acks, after it has resolved', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream);
    const gate = Promise.withResolvers<void>();
    const app = await startConsumers(broker, [controllerOf(definition, () => gate.promise)]);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(async () => (await durableInfo(broker, definition)).num_ack_pending === 1, {
      describe: 'the message is held',
    });
    expect((await durableInfo(broker, definition)).ack_floor.stream_seq).toBe(0);
    gate.resolve();
    await waitFor(async () => (await durableInfo(broker, definition)).ack_floor.stream_seq === 1, {
      describe: 'the ack',
    });
    expect(app.settled).toEqual(['done']);
    await app.close();
  });

  it('D2, S2: a throw does not ack; the message comes again after a growing delay; the error arrives with class and fields', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream);
    const seen: { delivery: number; at: number }[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ delivery }) => {
        seen.push({ delivery, at: performance.now() });
        if (delivery < 3) throw new StoreAway('not now');
      }),
    ]);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(async () => (await durableInfo(broker, definition)).ack_floor.stream_seq === 1, {
      describe: 'the third delivery is acked',
    });
    expect(seen.map(({ delivery }) => delivery)).toEqual([1, 2, 3]);
    const [first, second, third] = seen.map(({ at }) => at) as [number, number, number];
    expect(second - first).toBeGreaterThanOrEqual(150);
    expect(third - second).toBeGreaterThanOrEqual(300);
    expect(app.settled).toEqual(['fault', 'fault', 'done']);
    expect(app.log.lines.find(({ level }) => level === 'warn')?.fields.error).toMatchObject({
      code: 'store_away',
      message: 'not now',
    });
    await app.close();
  });

  it('D3: poison from the decoder or the handler is on DEAD once, with reason and original, and never comes again', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, {
      decode: (message) => {
        if (message.text() === 'broken') throw new SyntaxError('not JSON');
        return message.text();
      },
    });
    const handled: string[] = [];
    const dead: DeadLetter[] = [];
    const consumer = controllerOf(definition, async ({ data }) => {
      handled.push(data);
      if (data === 'never') throw new Poison('unknown_shape', 'no such thing');
    });
    const app = await startConsumers(broker, [consumer], { onDead: (letter) => dead.push(letter) });
    await broker.js.publish(`${stream}.a`, 'broken');
    await broker.js.publish(`${stream}.b`, 'never');
    await broker.js.publish(`${stream}.c`, 'fine');
    await waitFor(async () => (await durableInfo(broker, definition)).ack_floor.stream_seq === 3, {
      describe: 'all three are settled',
    });
    expect(handled.toSorted()).toEqual(['fine', 'never']);
    expect(app.settled.toSorted()).toEqual(['dead', 'dead', 'done']);

    const jsm = await broker.jsm();
    const subject = `dead.test.${definition.durable}`;
    const { state } = await jsm.streams.info('DEAD', { subjects_filter: subject });
    expect(state.subjects).toEqual({ [subject]: 2 });
    expect(dead.find(({ stream_seq }) => stream_seq === 1)).toMatchObject({
      code: 'undecodable',
      reason: 'not JSON',
      subject: `${stream}.a`,
      payload: 'broken',
      stream,
    });
    const last = await jsm.streams.getMessage('DEAD', { last_by_subj: subject });
    expect(dead).toContainEqual(JSON.parse(last?.string() ?? '{}'));
    await app.close();
  });

  it('D3: poison that DEAD cannot take is not given up', async () => {
    const jsm = await broker.jsm();
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { faultDelayMs: [50, 100] });
    await jsm.streams.delete('DEAD');
    const app = await startConsumers(broker, [
      controllerOf(definition, async () => {
        throw new Poison('unknown_shape', 'no such thing');
      }),
    ]);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(() => app.settled.includes('fault'), { describe: 'a failed burial' });
    expect(app.settled).not.toContain('dead');
    await jsm.streams.add({ name: 'DEAD', subjects: ['dead.>'] });
    await waitFor(() => app.settled.includes('dead'), { describe: 'the burial' });
    await app.close();
  });

  it('D1: KEEP leaves the message un-acked; it comes again after ack_wait', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { ackWaitMs: 1_000 });
    const deliveries: number[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ delivery }) => {
        deliveries.push(delivery);
        return delivery === 1 ? KEEP : undefined;
      }),
    ]);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(() => app.settled.length === 1, { describe: 'the first delivery' });
    expect((await durableInfo(broker, definition)).num_ack_pending).toBe(1);
    await waitFor(() => app.settled.length === 2, { describe: 'the second delivery' });
    expect(deliveries).toEqual([1, 2]);
    expect(app.settled).toEqual(['kept', 'done']);
    await app.close();
  });

  it('R3: a handler slower than ack_wait keeps its message: one delivery', async () => {
    const stream = await testStream(broker);
    const definition = definitionOf(stream, { ackWaitMs: 1_000 });
    const deliveries: number[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ delivery }) => {
        deliveries.push(delivery);
        await new Promise((resolve) => setTimeout(resolve, 2_500));
      }),
    ]);
    await broker.js.publish(`${stream}.a`, 'x');
    await waitFor(async () => (await durableInfo(broker, definition)).ack_floor.stream_seq === 1, {
      describe: 'the ack',
    });
    expect(deliveries).toEqual([1]);
    expect((await durableInfo(broker, definition)).num_redelivered).toBe(0);
    await app.close();
  });

  it('S1: two handlers of one durable refuse to start, both named', async () => {
    const definition = definitionOf(await testStream(broker), { durable: `twice-${unique()}` });
    @Controller()
    class First {
      @DurableConsumer(definition)
      async take(_delivery: Delivery<string>): Promise<Handled> {}
    }
    @Controller()
    class Second {
      @DurableConsumer(definition)
      async alsoTake(_delivery: Delivery<string>): Promise<Handled> {}
    }
    await expect(startConsumers(broker, [First, Second])).rejects.toThrow(/First\.take and Second\.alsoTake/);
  });
});
