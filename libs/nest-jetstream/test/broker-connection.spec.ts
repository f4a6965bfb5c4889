import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort, startBroker, type TestBroker, waitFor } from '@runledger/testkit';
import { type BrokerEvent, connectBroker } from '../src/index.ts';
import { controllerOf, definitionOf, startConsumers } from './consumer-fixture.ts';

describe('the connection to the broker', () => {
  let server: TestBroker | undefined;
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  it('B1: a broker below the floor is an error that names found and needed', async () => {
    server = await startBroker({ syncAlways: false });
    await expect(connectBroker({ url: server.url, name: 'old', floor: '99.1.0' })).rejects.toThrow(
      /nats-server \d+\.\d+\.\d+ at .* is too old: 99\.1\.0 or newer is needed/,
    );
  });

  it('B2, B4: a broker that is not up yet is waited for; without one within waitMs the error tells where; no password is shown', async () => {
    const port = await freePort();
    const events: BrokerEvent[] = [];
    const url = `nats://somebody:secret-word@127.0.0.1:${port}`;
    await expect(
      connectBroker({ url, name: 'early', waitMs: 300, onStatus: (event) => events.push(event) }),
    ).rejects.toThrow(new RegExp(`no broker at nats://127.0.0.1:${port} within 300 ms`));
    expect(JSON.stringify(events)).not.toContain('secret-word');
    const waiting = connectBroker({
      url: `nats://127.0.0.1:${port}`,
      name: 'early',
      onStatus: (event) => events.push(event),
    });
    await waitFor(() => events.some(({ type }) => type === 'waiting'), { describe: 'it says that it waits' });
    server = await startBroker({ port, syncAlways: false });
    const broker = await waiting;
    expect(events.at(-1)?.type).toBe('connected');
    await broker.close();
    expect(broker.nc.isClosed()).toBe(true);
  });

  it('B2: wrong credentials are an error at once', async () => {
    server = await startBroker({ syncAlways: false });
    await server.kill();
    const locked = await startBroker({
      syncAlways: false,
      config:
        'no_auth_user: open\nauthorization { users: [{user: open, password: a}, {user: shut, password: b}] }',
    });
    try {
      const url = `nats://shut:wrong@127.0.0.1:${locked.port}`;
      await expect(connectBroker({ url, name: 'locked' })).rejects.toMatchObject({
        name: 'BrokerUnusable',
        code: 'refused',
      });
    } finally {
      await locked.stop();
    }
  });

  it('B3, R5: consumption goes on after the broker was killed and is back', async () => {
    server = await startBroker();
    const events: BrokerEvent[] = [];
    const broker = await connectBroker({
      url: server.url,
      name: 'survivor',
      onStatus: (event) => events.push(event),
    });
    const jsm = await broker.jsm();
    await jsm.streams.add({ name: 'WORKED', subjects: ['worked.>'] });
    const definition = definitionOf('WORKED', { filter: 'worked.>', ackWaitMs: 2_000 });
    const taken: string[] = [];
    const app = await startConsumers(broker, [
      controllerOf(definition, async ({ data }) => void taken.push(data)),
    ]);
    await broker.js.publish('worked.a', 'before');
    await waitFor(() => taken.length === 1, { describe: 'the first' });

    await server.kill();
    await waitFor(() => app.strategy.states()[0]?.phase === 'waiting', {
      describe: 'it waits for the broker',
    });
    expect(app.strategy.states()[0]).toMatchObject({ connected: false, problem: 'the broker is away' });
    await server.restart();
    await waitFor(() => app.strategy.states()[0]?.phase === 'consuming', { describe: 'it consumes again' });
    await waitFor(() => broker.js.publish('worked.a', 'after'), { describe: 'the second is stored' });
    await waitFor(() => taken.includes('after'), { describe: 'the second' });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['connected', 'disconnected', 'reconnected']),
    );
    await app.close();
    await broker.close();
  });
});
