import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { RunledgerClient } from '@runledger/client';
import { bootstrap, connectBroker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { freePort, startBroker, temporaryFolder, waitFor } from '@runledger/testkit';
import { SCOPES } from '../../../services/gateway/src/keys/index.ts';
import { asItself, locked, makeIdentities, makeKey, type Name, OPERATOR, SECRET_KEY, seed } from './cell.ts';
import { ServiceProcess } from './service-process.ts';

const status = async (url: string): Promise<number> => (await fetch(url).catch(() => ({ status: 0 }))).status;

describe('services that are there before the broker', () => {
  const open = new AsyncDisposableStack();
  afterEach(() => open.disposeAsync());

  it('wait for it and for its streams, in whatever order they were started, and come up by themselves', async () => {
    const folder = open.adopt(await temporaryFolder(), (made) => made.remove());
    const identities = await makeIdentities(folder.path);
    const [brokerPort, port] = [await freePort(), await freePort()];
    const env = {
      RUNLEDGER_HOME: folder.path,
      RUNLEDGER_NATS_URL: `nats://127.0.0.1:${brokerPort}`,
      RUNLEDGER_PORT: String(port),
      RUNLEDGER_SECRET_KEY: SECRET_KEY,
      RUNLEDGER_LEASE_S: '2',
    };
    const backwards: Name[] = ['reconciler', 'agent-executor', 'run-scheduler', 'gateway'];
    const processes = backwards.map((name) =>
      open.adopt(new ServiceProcess(name, { ...env, ...asItself(name, identities) }), async (process) => {
        await process.end('SIGKILL');
      }),
    );
    for (const process of processes) {
      await process.start();
      await waitFor(async () => (await status(`${process.opsUrl}/healthz`)) === 200, {
        timeoutMs: 30_000,
        describe: `${process.name} to say that it lives`,
      });
      expect(await status(`${process.opsUrl}/readyz`)).toBe(503);
    }

    const server = open.adopt(await startBroker({ port: brokerPort, ...locked(identities) }), (made) =>
      made.stop(),
    );
    for (const process of processes)
      await waitFor(() => process.output.includes('the stream RUNS does not exist yet'), {
        describe: `${process.name} to say that the streams are missing`,
      });
    const url = server.url.replace('//', `//${OPERATOR.user}:${OPERATOR.pass}@`);
    const broker = open.adopt(await connectBroker({ url, name: 'operator' }), (made) => made.close());
    await bootstrap(broker, LAYOUT);
    await seed(broker, ['local']);
    await Promise.all(processes.map((process) => process.ready()));

    const apiKey = await makeKey(broker, {
      user: 'dev',
      tenant: 'local',
      scopes: SCOPES,
    });
    const client = new RunledgerClient({ url: `http://127.0.0.1:${port}`, apiKey });
    // Larger than an event may be: a blob, written by one service in parts and read by another.
    const run = await client.start({ agent_id: 'echo-process', input: { message: 'ä'.repeat(70_000) } });
    const end = await waitFor(
      async () => {
        const found = await client.getRun(run.run_id);
        return ['success', 'error', 'stopped'].includes(found.status) && found;
      },
      { timeoutMs: 30_000, describe: 'the end of a run' },
    );
    expect(end.status).toBe('success');
    const { blob } = end.result as { blob: string };
    const stored = await fetch(`http://127.0.0.1:${port}/runs/${run.run_id}/blobs/${blob}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    expect(
      createHash('sha256')
        .update(await stored.text())
        .digest('hex'),
    ).toBe(blob);

    // Erasing reaches everywhere where something of a run is.
    const erased = await fetch(`http://127.0.0.1:${port}/runs/${run.run_id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${apiKey}` },
    });
    expect(erased.status).toBe(202);
    const jsm = await broker.jsm();
    await waitFor(
      async () => {
        const left = await Promise.all(['RUNS', 'OBJ_blobs'].map((stream) => jsm.streams.info(stream)));
        return left.every(({ state }) => state.messages === 0);
      },
      {
        timeoutMs: 30_000,
        describe: () => `nothing to be left of the run: ${processes[0]?.output.slice(-2_000)}`,
      },
    );
    expect(server.output()).not.toMatch(/Violation/);
  }, 120_000);
});
