import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AgentProcess, codeHostCommand, whySandboxFails, type Sandbox, type UpFrame } from '../src/index.ts';

const closed: Sandbox = { network: false, read: [] };
const unusable = whySandboxFails(closed);

/** What a program says as its result. */
async function resultOf(child: AgentProcess): Promise<unknown> {
  const frames: UpFrame[] = [];
  for await (const frame of child.frames()) frames.push(frame);
  const last = frames.at(-1);
  if (last?.type === 'result') return last.ok ? last.value : last.error;
  throw new Error(`no result; stderr: ${child.stderrTail()}`);
}

async function runs(code: string, sandbox: Sandbox, input: string | number = ''): Promise<unknown> {
  const child = await AgentProcess.start({ command: codeHostCommand(), env: {}, sandbox });
  const who = { run_id: 'R', attempt: 1, agent_id: 'a' };
  child.send({ type: 'start', protocol: 1, ...who, input, env: {}, code });
  try {
    return await resultOf(child);
  } finally {
    child.kill();
    await child.exited;
  }
}

/** Waits until no process of the machine was started with this argument. */
async function gone(argument: string): Promise<void> {
  const isThere = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] === argument;
    } catch {
      return false;
    }
  };
  while (readdirSync('/proc').some(isThere)) await pause(20);
}

(unusable === undefined ? describe : describe.skip)('a program in a sandbox', () => {
  let folder: string;
  let secret: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sandbox-spec-'));
    secret = join(folder, 'secret');
    await writeFile(secret, 'of the machine');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const TRY_READ = `import { readFileSync } from 'node:fs';
    export default (input) => { try { return readFileSync(input, 'utf8'); } catch (error) { return error.code; } };`;

  it('reads no file of the machine but the system’s, and those that it is given', async () => {
    expect(await runs(TRY_READ, closed, secret)).toBe('ENOENT');
    expect(await runs(TRY_READ, closed, join(homedir(), '.bashrc'))).toBe('ENOENT');
    expect(await runs(TRY_READ, { ...closed, read: [folder] }, secret)).toBe('of the machine');
  });

  it('writes in its own folder and nowhere else', async () => {
    const code = `import { writeFileSync } from 'node:fs';
      const tried = (path) => { try { writeFileSync(path, 'x'); return 'written'; } catch (error) { return error.code; } };
      export default (input) => ['mine', '/tmp/mine', '/mine', '/dev/mine', '/usr/mine', '/etc/passwd', input].map(tried);`;
    const result = await runs(code, { ...closed, read: [folder] }, secret);
    expect(result).toEqual(['written', 'written', ...Array(5).fill('EROFS')]);
  });

  it('has little memory to write as files', async () => {
    const code = `import { writeFileSync } from 'node:fs';
      export default () => { try { writeFileSync('/tmp/large', Buffer.alloc(70_000_000)); } catch (error) { return error.code; } };`;
    expect(await runs(code, closed)).toBe('ENOSPC');
  });

  it('sees no process but its own', async () => {
    const code = `import { readdirSync } from 'node:fs';
      export default () => readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).length;`;
    expect(await runs(code, closed)).toBeLessThanOrEqual(3);
  });

  it('has no network unless it is wanted', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const code = `import { connect } from 'node:net';
      export default (port) => new Promise((resolve) => {
        connect(port, '127.0.0.1').on('connect', () => resolve('connected')).on('error', (error) => resolve(error.code));
      });`;
    expect(await runs(code, closed, port)).toBe('ECONNREFUSED');
    expect(await runs(code, { ...closed, network: true }, port)).toBe('connected');
    await new Promise((resolve) => server.close(resolve));
  });

  it('is limited, and ended with those that left its group', async () => {
    const limits = { bytes: 150 * 1024 * 1024, processes: 16 };
    const script = `require('node:child_process').spawn('sleep', ['1234.5'], { detached: true });
      const kept = []; setInterval(() => kept.push(Buffer.alloc(1e7, 1)), 20);`;
    const command = [process.execPath, '-e', script];
    const child = await AgentProcess.start({ command, env: {}, limits, sandbox: closed });
    await child.exited;
    expect(child.breach).toBe('it used more than 150 MiB of memory');
    await gone('1234.5');
  });

  it('gives way to its executor', async () => {
    const code = `import { getPriority } from 'node:os'; import { readFileSync } from 'node:fs';
      export default () => [getPriority(), readFileSync('/proc/self/oom_score_adj', 'utf8').trim()];`;
    expect(await runs(code, closed)).toEqual([5, '1000']);
  });
});

describe('where there is no sandbox', () => {
  it('it is said why', () => {
    expect(whySandboxFails(closed, { PATH: '/nonexistent' })).toMatch(/not found/);
  });
});
