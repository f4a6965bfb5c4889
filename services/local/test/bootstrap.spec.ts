import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { connectBroker, inboxPrefix } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { startBroker, temporaryFolder, type TestBroker } from '@runledger/testkit';
import { bootstrapCommand } from '../src/bootstrap/bootstrap-command.ts';
import { WrongUsage } from '../src/bootstrap/options.ts';

const OPERATOR = { user: 'operator', pass: 'operator-word' };
const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'notifier', 'reconciler', 'bootstrap'];

describe('npm run bootstrap', () => {
  let open: AsyncDisposableStack;
  beforeEach(() => {
    open = new AsyncDisposableStack();
  });
  afterEach(() => open.disposeAsync());

  const folder = async (): Promise<string> => {
    const made = open.adopt(await temporaryFolder(), (one) => one.remove());
    return join(made.path, 'identities');
  };
  const broker = async (config: string): Promise<TestBroker> =>
    open.adopt(await startBroker({ config, access: OPERATOR }), (one) => one.stop());
  const run = async (args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const lines: string[] = [];
    await bootstrapCommand(args, env, (line) => void lines.push(line));
    return lines.join('\n');
  };
  /** What it wrote, with an operator who lets the test look whether the broker answers. */
  const written = async (out: string): Promise<string> =>
    (await readFile(join(out, 'nats-authorization.conf'), 'utf8')).replace(
      'users = [',
      `users = [ { user: ${OPERATOR.user}, password: ${OPERATOR.pass} }`,
    );

  it('makes identities, which a broker with the written configuration takes; then streams and the first key', async () => {
    const out = await folder();
    const said = await run(['--out', out, '--pools', 'default,gpu']);
    expect(said).toContain('authorization {');
    expect(said).toContain('$JS.API.CONSUMER.MSG.NEXT.WORK.agent-executor-work-gpu');
    const seeds = await Promise.all(SERVICES.map((name) => readFile(join(out, `${name}.nk`), 'utf8')));
    for (const [index, name] of SERVICES.entries()) {
      const file = join(out, `${name}.nk`);
      if (name !== 'bootstrap') expect(said).toContain(`RUNLEDGER_NATS_NKEY=${file}`);
      expect(said).not.toContain(seeds[index]?.trim());
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }

    const server = await broker(await written(out));
    const env = { RUNLEDGER_SECRET_KEY: '7'.repeat(64) };
    const first = ['--out', out, '--nats', server.url, '--tenant', 'acme', '--user', 'ann'];
    const [, key = ''] = /^key +(rl_live_\S+)$/m.exec(await run(first, env)) ?? [];
    expect(key).toMatch(/^rl_live_/);
    expect(await Promise.all(SERVICES.map((name) => readFile(join(out, `${name}.nk`), 'utf8')))).toEqual(
      seeds,
    );

    const gateway = open.adopt(
      await connectBroker({
        url: server.url,
        name: 'gateway',
        nkey: join(out, 'gateway.nk'),
        inboxPrefix: inboxPrefix('gateway'),
      }),
      (one) => one.close(),
    );
    const buckets = new Kvm(gateway.js);
    const record = await (await buckets.open('api-keys')).get(key.split('_')[2] ?? '');
    expect(record?.json()).toMatchObject({ tenant_id: 'acme', user_id: 'ann' });
    expect(record?.string()).not.toContain(key);
    const tenant = async (): Promise<unknown> => (await (await buckets.open('tenants')).get('acme'))?.json();
    expect(await tenant()).toMatchObject({ tenant_id: 'acme', users: [{ user_id: 'ann' }] });

    // Repeated for another user: one more key, the tenant has both.
    await run([...first.slice(0, -1), 'bob'], env);
    expect(await tenant()).toMatchObject({ users: [{ user_id: 'ann' }, { user_id: 'bob' }] });
  }, 60_000);

  it('an administrator can be named by the URL, also for a broker that does not know the identities yet', async () => {
    const out = await folder();
    const { user, pass } = OPERATOR;
    const server = await broker(`authorization { users = [ { user: ${user}, password: ${pass} } ] }`);
    await expect(run(['--out', out, '--nats', server.url])).rejects.toThrow(
      /include .*nats-authorization\.conf/,
    );
    await run(['--out', out, '--nats', server.url.replace('//', `//${user}:${pass}@`)]);
    const operator = open.adopt(
      await connectBroker({ url: server.url.replace('//', `//${user}:${pass}@`), name: 'operator' }),
      (one) => one.close(),
    );
    const names: string[] = [];
    for await (const { config } of (await operator.jsm()).streams.list()) names.push(config.name);
    const { streams, buckets, object_stores } = LAYOUT;
    expect(names).toHaveLength(streams.length + buckets.length + object_stores.length);
  });

  it.each([
    [['--replicas', '3'], '--replicas needs --nats'],
    [['--nats', 'http://somewhere'], '--nats must be'],
    [['--nats', 'nats://a', '--replicas', 'many'], '--replicas must be'],
    [['--nats', 'nats://a', '--tenant', 'acme'], '--tenant and --user need each other'],
    [['--pools', 'a.b'], '--pools'],
    [['--whatever'], '--whatever'],
  ])('%j is wrong, and nothing is made', async (args, problem) => {
    const out = await folder();
    const failed = run(['--out', out, ...args]);
    await expect(failed).rejects.toThrow(problem);
    await expect(failed).rejects.toBeInstanceOf(WrongUsage);
    await expect(stat(out)).rejects.toThrow(/ENOENT/);
  });

  it('a key without the secret key of the services is refused before anything is made', async () => {
    const out = await folder();
    const asked = run(['--out', out, '--nats', 'nats://127.0.0.1:1', '--tenant', 'acme', '--user', 'ann']);
    await expect(asked).rejects.toThrow(/RUNLEDGER_SECRET_KEY/);
    await expect(stat(out)).rejects.toThrow(/ENOENT/);
  });
});
