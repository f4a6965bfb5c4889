import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunledgerClient } from '@runledger/client';
import { freePort, temporaryFolder, waitFor, type TemporaryFolder } from '@runledger/testkit';
import { ROOT } from './service-process.ts';

const TICKS = 100;

/** The local default in a process group of its own, as a terminal would start it. */
class LocalDefault {
  #child: ChildProcess | undefined;
  output = '';

  constructor(private readonly env: Record<string, string>) {}

  async start(): Promise<void> {
    const child = spawn(process.execPath, [join(ROOT, 'deploy', 'workspace', 'start.mjs')], {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#child = child;
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}`);
        return this.output.includes('ready  http://');
      },
      { timeoutMs: 90_000, describe: () => `npm start to be ready: ${this.output.slice(-2_000)}` },
    );
  }

  async signalGroup(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    process.kill(-child.pid, signal);
    await ended;
    return child.exitCode;
  }
}

describe('the local default', () => {
  let home: TemporaryFolder;
  let local: LocalDefault;
  let client: RunledgerClient;
  let usedPort: number;

  beforeAll(async () => {
    home = await temporaryFolder();
    usedPort = await freePort();
    local = new LocalDefault({
      RUNLEDGER_HOME: home.path,
      RUNLEDGER_PORT: String(usedPort),
      RUNLEDGER_LEASE_S: '3',
    });
    await local.start();
    const key = JSON.parse(await readFile(join(home.path, 'dev-key'), 'utf8')) as {
      url: string;
      api_key: string;
    };
    client = new RunledgerClient({ url: key.url, apiKey: key.api_key });
  }, 120_000);
  afterAll(async () => {
    await local.signalGroup('SIGKILL');
    await home.remove();
  });

  const lines = async (runId: string): Promise<string[]> => {
    const all: string[] = [];
    for await (const event of client.eachEvent(runId)) all.push(event.line);
    return all;
  };
  const brokerPid = async (): Promise<number> => Number(await readFile(join(home.path, 'nats.pid'), 'utf8'));

  it('killed whole with ten runs in flight, broker included, ends all ten in success and changes nothing that was seen', async () => {
    const runs = await Promise.all(
      Array.from({ length: 10 }, () =>
        client.start({ agent_id: 'ticker', input: { count: TICKS, every_ms: 100 } }),
      ),
    );
    await waitFor(
      async () =>
        (await Promise.all(runs.map((run) => client.getRun(run.run_id)))).every((run) => run.seq > 12),
      {
        timeoutMs: 30_000,
        describe: 'ten ticks of every run',
      },
    );
    const seen = await Promise.all(runs.map((run) => lines(run.run_id)));
    const pid = await brokerPid();
    process.kill(pid, 'SIGKILL');
    expect(await local.signalGroup('SIGKILL')).toBeNull();
    await local.start();
    const ended = await waitFor(
      async () => {
        const all = await Promise.all(runs.map((run) => client.getRun(run.run_id)));
        return all.every((run) => run.completed_at) ? all : undefined;
      },
      { timeoutMs: 90_000, everyMs: 500, describe: 'all ten to end' },
    );
    expect(ended.map((run) => run.status)).toEqual(runs.map(() => 'success'));
    for (const [index, run] of runs.entries()) {
      const whole = await lines(run.run_id);
      const before = seen[index] ?? [];
      expect(whole.slice(0, before.length)).toEqual(before);
      const ticks = whole
        .map((line) => JSON.parse(line) as { type: string; data: { name: string } })
        .filter((event) => event.type === 'milestone.reached');
      expect(ticks.map((tick) => tick.data.name)).toEqual(
        Array.from({ length: TICKS }, (_, tick) => `tick ${tick + 1}`),
      );
    }
  }, 240_000);

  it('ends in order on Ctrl-C, hands its runs over, and finishes them in the first attempt that was not agent failure after the next start', async () => {
    const { run_id } = await client.start({ agent_id: 'ticker', input: { count: 60, every_ms: 100 } });
    await waitFor(async () => (await client.getRun(run_id)).seq > 5, { describe: 'some ticks' });
    expect(await local.signalGroup('SIGINT')).toBe(0);
    await local.start();
    const run = await waitFor(
      async () => client.getRun(run_id).then((one) => (one.completed_at ? one : undefined)),
      {
        timeoutMs: 60_000,
        everyMs: 200,
        describe: 'the run to end',
      },
    );
    expect(run).toMatchObject({ status: 'success', result: { ticks: 60 } });
    const types = (await lines(run_id)).map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toContain('run.parked');
    expect(types).not.toContain('attempt.lost');
  }, 120_000);

  it('says one clear line and exits 1 when the home or the port is in use', async () => {
    const second = async (env: Record<string, string>): Promise<{ code: number | null; output: string }> => {
      const child = spawn(process.execPath, [join(ROOT, 'services', 'local', 'dist', 'main.js')], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let output = '';
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await once(child, 'exit');
      return { code: child.exitCode, output };
    };

    const sameHome = await second({ RUNLEDGER_HOME: home.path, RUNLEDGER_PORT: String(await freePort()) });
    expect(sameHome).toEqual({ code: 1, output: expect.stringMatching(/in use/) });
    const samePort = await second({ RUNLEDGER_HOME: `${home.path}-other`, RUNLEDGER_PORT: String(usedPort) });
    expect(samePort).toEqual({ code: 1, output: expect.stringMatching(/port \d+ is in use/) });
  }, 60_000);
});
