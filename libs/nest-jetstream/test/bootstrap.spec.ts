import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AckPolicy,
  JetStreamApiError,
  jetstream,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { Objm } from '@nats-io/obj';
import { connect } from '@nats-io/transport-node';
import { LAYOUT } from '@runledger/proto';
import { liveSubject, runSubject, workSubject } from '@runledger/wire';
import { startBroker, type TestBroker } from '@runledger/testkit';
import { bootstrap } from '../src/bootstrap.ts';
import type { Broker } from '../src/port.ts';

const TENANT = 'acme';
const RUN = '01JD4Z3Q9WXK8V5T2N7M6H4F1C';
const GIB = 1024 ** 3;

async function connectTo(server: TestBroker): Promise<Broker> {
  const nc = await connect({ servers: server.url });
  return { nc, js: jetstream(nc), jsm: () => jetstreamManager(nc), close: () => nc.drain() };
}

async function removeStreams(broker: Broker): Promise<void> {
  const jsm = await broker.jsm();
  for await (const { config } of jsm.streams.list()) await jsm.streams.delete(config.name);
}

/** Every stream's settings as the server has them, by name. */
async function onServer(broker: Broker): Promise<Record<string, StreamConfig>> {
  const jsm = await broker.jsm();
  const found: Record<string, StreamConfig> = {};
  for await (const { config } of jsm.streams.list()) found[config.name] = config;
  return found;
}

const codeOf = async (work: Promise<unknown>): Promise<number | undefined> => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof JetStreamApiError ? error.code : undefined;
};

describe('bootstrap', () => {
  let server: TestBroker;
  let broker: Broker;
  let jsm: JetStreamManager;

  beforeAll(async () => {
    server = await startBroker({ maxFileStore: 20 * GIB });
  });
  beforeEach(async () => {
    broker = await connectTo(server);
    jsm = await broker.jsm();
  });
  afterEach(async () => {
    await removeStreams(broker);
    await broker.close();
  });
  afterAll(() => server.stop());

  it('gives every stream the settings of the layout', async () => {
    await bootstrap(broker, LAYOUT);
    const found = await onServer(broker);
    for (const { name, max_age_s, republish, ...settings } of LAYOUT.streams) {
      const limits = Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [key, value === 0 ? -1 : value]),
      );
      const { discard_new_per_subject, allow_msg_schedules, ...always } = limits;
      expect(found[name]).toMatchObject({ ...always, storage: 'file', max_age: max_age_s * 1e9 });
      expect(found[name]?.discard_new_per_subject ?? false).toBe(discard_new_per_subject);
      expect(found[name]?.allow_msg_schedules ?? false).toBe(allow_msg_schedules);
      expect(found[name]?.republish ?? null).toEqual(republish);
    }
    expect(found['RUNS']).toMatchObject({
      subjects: ['runs.*.*'],
      discard: 'new',
      max_bytes: 8 * GIB,
      max_msg_size: 262_144,
      max_msgs_per_subject: 100_000,
      max_consumers: 64,
      max_age: 0,
      allow_rollup_hdrs: false,
      deny_purge: true,
    });
    expect(found['RUNS']?.allow_msg_ttl ?? false).toBe(false);
    const buckets = LAYOUT.buckets.map(({ bucket }) => `KV_${bucket}`);
    const stores = LAYOUT.object_stores.map(({ store }) => `OBJ_${store}`);
    expect(Object.keys(found).sort()).toEqual(
      [...LAYOUT.streams.map(({ name }) => name), ...buckets, ...stores].sort(),
    );
  });

  it('makes buckets and a store that the libraries open as their own', async () => {
    await bootstrap(broker, LAYOUT);
    const kvm = new Kvm(broker.js);
    for (const { bucket, history } of LAYOUT.buckets) {
      const status = await (await kvm.open(bucket)).status();
      expect([status.bucket, status.history, status.streamInfo.config.allow_direct]).toEqual([
        bucket,
        history,
        true,
      ]);
    }
    const agents = await kvm.open('agents');
    const revision = await agents.create('acme.hello', '{"name":"Hello"}');
    await agents.update('acme.hello', '{"name":"Hello again"}', revision);
    expect((await agents.get('acme.hello', { revision }))?.string()).toBe('{"name":"Hello"}');
    await agents.delete('acme.hello');
    expect((await agents.get('acme.hello'))?.operation).toBe('DEL');
    const blobs = await new Objm(broker.js).open('blobs');
    await blobs.putBlob({ name: 'acme/large' }, new TextEncoder().encode('x'.repeat(300_000)));
    expect((await blobs.getBlob('acme/large'))?.length).toBe(300_000);
    await blobs.delete('acme/large');
  });

  it('changes nothing when it is repeated', async () => {
    await bootstrap(broker, LAYOUT);
    const before = await onServer(broker);
    await bootstrap(broker, LAYOUT);
    expect(await onServer(broker)).toEqual(before);
  });

  it('ends alike when several processes do it at once', async () => {
    const others = await Promise.all([1, 2, 3, 4].map(() => connectTo(server)));
    try {
      await Promise.all(others.map((other) => bootstrap(other, LAYOUT)));
      const together = await onServer(broker);
      await removeStreams(broker);
      await bootstrap(broker, LAYOUT);
      expect(together).toEqual(await onServer(broker));
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  });

  it('keeps what is stored when it repairs a setting that drifted', async () => {
    await bootstrap(broker, LAYOUT);
    await broker.js.publish(runSubject(TENANT, RUN), 'one');
    await jsm.streams.update('RUNS', { max_msgs_per_subject: 5, description: 'changed by hand' });
    await bootstrap(broker, LAYOUT);
    const { config, state } = await jsm.streams.info('RUNS');
    expect([config.max_msgs_per_subject, config.description, state.messages]).toEqual([
      100_000,
      LAYOUT.streams[0]?.description,
      1,
    ]);
  });

  it('leaves the size to the operator, unless it is given', async () => {
    await bootstrap(broker, LAYOUT);
    await jsm.streams.update('RUNS', { max_bytes: 3 * GIB });
    await bootstrap(broker, LAYOUT);
    expect((await jsm.streams.info('RUNS')).config.max_bytes).toBe(3 * GIB);
    await bootstrap(broker, LAYOUT, { runsMaxBytes: 4 * GIB });
    expect((await jsm.streams.info('RUNS')).config.max_bytes).toBe(4 * GIB);
  });

  it('leaves a stream alone that a newer release has set', async () => {
    const newer = {
      ...LAYOUT,
      version: LAYOUT.version + 1,
      streams: LAYOUT.streams.map((one) => ({ ...one, max_consumers: 80 })),
    };
    await bootstrap(broker, newer);
    await bootstrap(broker, LAYOUT);
    expect((await jsm.streams.info('RUNS')).config.max_consumers).toBe(80);
    await bootstrap(broker, { ...LAYOUT, version: LAYOUT.version + 2 });
    expect((await jsm.streams.info('RUNS')).config.max_consumers).toBe(64);
  });

  it('names the stream and the reason when a setting cannot be changed', async () => {
    await jsm.streams.add({ name: 'WORK', subjects: ['work.>'], storage: 'memory' });
    await expect(bootstrap(broker, LAYOUT)).rejects.toThrow(
      /^stream WORK cannot be made or changed: .*storage/,
    );
  });

  it('refuses replicas that the server cannot hold, before anything of the log is changed', async () => {
    await bootstrap(broker, LAYOUT);
    await expect(bootstrap(broker, LAYOUT, { replicas: 3 })).rejects.toThrow(
      /^stream \w+ cannot be made or changed: .*replicas/,
    );
    expect((await jsm.streams.info('RUNS')).config.num_replicas).toBe(1);
  });

  it('republishes a stored commit on live.runs.<tenant>.<run>', async () => {
    await bootstrap(broker, LAYOUT);
    const live = broker.nc.subscribe(liveSubject(TENANT, RUN), { max: 2, timeout: 5000 });
    const received: { text: string; sequence: string | undefined; last: string | undefined }[] = [];
    const listening = (async () => {
      for await (const message of live)
        received.push({
          text: message.string(),
          sequence: message.headers?.get('Nats-Sequence'),
          last: message.headers?.get('Nats-Last-Sequence'),
        });
    })();
    await broker.nc.flush();
    const first = await broker.js.publish(runSubject(TENANT, RUN), 'one');
    const second = await broker.js.publish(runSubject(TENANT, RUN), 'two');
    await listening;
    expect(received).toEqual([
      { text: 'one', sequence: String(first.seq), last: '0' },
      { text: 'two', sequence: String(second.seq), last: String(first.seq) },
    ]);
  });

  it('refuses an append whose expectation is not the last sequence of its subject: 10071', async () => {
    await bootstrap(broker, LAYOUT);
    const subject = runSubject(TENANT, RUN);
    const expecting = (lastSubjectSequence: number) =>
      codeOf(broker.js.publish(subject, 'commit', { expect: { lastSubjectSequence } }));
    expect(await expecting(0)).toBeUndefined();
    expect(await expecting(0)).toBe(10_071);
    expect(await expecting(7)).toBe(10_071);
    expect(await expecting(1)).toBeUndefined();
    expect((await jsm.streams.info('RUNS')).state.messages).toBe(2);
  });

  it('refuses a commit over 256 KiB, and the one past the cap of a run', async () => {
    const small = {
      ...LAYOUT,
      streams: LAYOUT.streams.map((one) => (one.name === 'RUNS' ? { ...one, max_msgs_per_subject: 2 } : one)),
    };
    await bootstrap(broker, small);
    const subject = runSubject(TENANT, RUN);
    expect(await codeOf(broker.js.publish(subject, 'x'.repeat(262_145)))).toBe(10_054);
    await broker.js.publish(subject, 'one');
    await broker.js.publish(subject, 'two');
    expect(await codeOf(broker.js.publish(subject, 'three'))).toBe(10_077);
  });

  it('refuses a second message for a run on WORK (10077) until the first is acknowledged', async () => {
    await bootstrap(broker, LAYOUT);
    const subject = workSubject('default', TENANT, RUN);
    await broker.js.publish(subject, '{"dispatch":1}');
    expect(await codeOf(broker.js.publish(subject, '{"dispatch":2}'))).toBe(10_077);
    await jsm.consumers.add('WORK', { durable_name: 'pool', ack_policy: AckPolicy.Explicit });
    const message = await (await broker.js.consumers.get('WORK', 'pool')).next();
    expect(await codeOf(broker.js.publish(subject, '{"dispatch":2}'))).toBe(10_077);
    expect(await message?.ackAck()).toBe(true);
    expect(await codeOf(broker.js.publish(subject, '{"dispatch":2}'))).toBeUndefined();
  });

  it('refuses to purge the log, and lets one message be erased', async () => {
    await bootstrap(broker, LAYOUT);
    const { seq } = await broker.js.publish(runSubject(TENANT, RUN), 'one');
    await expect(jsm.streams.purge('RUNS')).rejects.toThrow(/purge/);
    expect(await jsm.streams.deleteMessage('RUNS', seq, true)).toBe(true);
    expect((await jsm.streams.info('RUNS')).state.messages).toBe(0);
  });

  it('lowers the default size of the log to what the server has room for', async () => {
    const crowded = await startBroker({ maxFileStore: GIB });
    const there = await connectTo(crowded);
    try {
      await bootstrap(there, LAYOUT);
      const manager = await there.jsm();
      expect((await manager.streams.info('RUNS')).config.max_bytes).toBe(GIB / 2);
      await bootstrap(there, LAYOUT);
      expect((await manager.streams.info('RUNS')).config.max_bytes).toBe(GIB / 2);
      await expect(bootstrap(there, LAYOUT, { runsMaxBytes: 2 * GIB })).rejects.toThrow(
        /^stream RUNS cannot be made or changed: .*storage/,
      );
    } finally {
      await there.close();
      await crowded.stop();
    }
  });
});
