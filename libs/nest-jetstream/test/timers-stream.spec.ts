import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { LAYOUT } from '@runledger/proto';
import { dueSubject, timerSubject } from '@runledger/wire';
import { startBroker, type TestBroker } from '@runledger/testkit';
import { bootstrap } from '../src/bootstrap.ts';
import type { Broker } from '../src/port.ts';

describe('the TIMERS stream', () => {
  let server: TestBroker;
  let broker: Broker;

  beforeAll(async () => {
    server = await startBroker();
    const nc = await connect({ servers: server.url });
    broker = { nc, js: jetstream(nc), jsm: () => jetstreamManager(nc), close: () => nc.drain() };
    await bootstrap(broker, LAYOUT);
  });
  afterAll(async () => {
    await broker.close();
    await server.stop();
  });

  it('fires a schedule to its due subject, and holds nothing once that is acknowledged', async () => {
    const jsm = await broker.jsm();
    await jsm.consumers.add('TIMERS', {
      durable_name: 'due',
      ack_policy: AckPolicy.Explicit,
      filter_subject: 'due.>',
    });
    const timer = ['retry', 'acme', '01JD4Z3Q9WXK8V5T2N7M6H4F1C', 't1'] as const;
    const schedule = headers();
    schedule.set('Nats-Schedule', `@at ${new Date(Date.now() + 300).toISOString()}`);
    schedule.set('Nats-Schedule-Target', dueSubject(...timer));
    await broker.js.publish(timerSubject(...timer), '{"timer_id":"t1"}', { headers: schedule });
    const due = await (await broker.js.consumers.get('TIMERS', 'due')).next({ expires: 10_000 });
    expect([due?.subject, due?.string()]).toEqual([dueSubject(...timer), '{"timer_id":"t1"}']);
    expect(await due?.ackAck()).toBe(true);
    expect((await jsm.streams.info('TIMERS')).state.messages).toBe(0);
  });
});
