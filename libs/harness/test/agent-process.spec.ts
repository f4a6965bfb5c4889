import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { groupsUse } from '../src/group-watch.ts';
import { AgentProcess, codeHostCommand, type UpFrame } from '../src/index.ts';

async function all(child: AgentProcess): Promise<UpFrame[]> {
  const frames: UpFrame[] = [];
  for await (const frame of child.frames()) frames.push(frame);
  return frames;
}

describe('AgentProcess', () => {
  it('keeps the last 2,000 characters of stderr and removes its folder', async () => {
    const child = await AgentProcess.start({
      command: [
        process.execPath,
        '-e',
        'process.stderr.write("a".repeat(50_000) + "ä".repeat(1_999) + "."); ',
      ],
      env: {},
    });
    expect(existsSync(child.folder)).toBe(true);
    expect(await all(child)).toEqual([]);
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.stderrTail()).toBe('ä'.repeat(1_999) + '.');
    expect(child.alive).toBe(false);
    expect(existsSync(child.folder)).toBe(false);
  });

  it('stops reading a process that writes without end', async () => {
    const child = await AgentProcess.start({
      command: [
        process.execPath,
        '-e',
        'const line = JSON.stringify({ type: "event", event: "log", message: "x".repeat(1000) }) + "\\n"; setInterval(() => process.stdout.write(line.repeat(50)), 1);',
      ],
      env: {},
      maxOutputBytes: 500_000,
    });
    await expect(all(child)).rejects.toMatchObject({ code: 'output_too_large' });
    child.kill();
    await child.exited;
    expect(child.alive).toBe(false);
  });

  it('says why a program could not be started', async () => {
    const child = await AgentProcess.start({ command: ['/nonexistent'], env: {} });
    expect((await child.exited).error).toMatchObject({ code: 'ENOENT' });
  });
});

describe('the host of code agents', () => {
  it('ends when its executor is gone', async () => {
    const child = await AgentProcess.start({ command: codeHostCommand(), env: {} });
    child.closeInput();
    expect(await child.exited).toMatchObject({ code: 1 });
  });

  it('runs a module of TypeScript with what it prints on the protocol', async () => {
    const child = await AgentProcess.start({ command: codeHostCommand(), env: {} });
    const code =
      'export default async (input: { n: number }) => { process.stdout.write("raw"); console.error("bad", { n: 1 }); return input.n * 2; };';
    child.send({
      type: 'start',
      protocol: 1,
      run_id: 'R',
      attempt: 1,
      agent_id: 'a',
      input: { n: 21 },
      env: {},
      code,
    });
    expect(await all(child)).toEqual([
      { type: 'event', event: 'log', level: 'info', source: 'stdout', message: 'raw' },
      { type: 'event', event: 'log', level: 'error', source: 'stderr', message: 'bad { n: 1 }' },
      { type: 'result', ok: true, value: 42 },
    ]);
  });

  it('reports a promise that nobody waits for', async () => {
    const child = await AgentProcess.start({ command: codeHostCommand(), env: {} });
    child.send({
      type: 'start',
      protocol: 1,
      run_id: 'R',
      attempt: 1,
      agent_id: 'a',
      input: null,
      env: {},
      code: 'export default () => { Promise.reject(new Error("lost")); return new Promise(() => setInterval(() => {}, 1000)); };',
    });
    expect(await all(child)).toEqual([
      expect.objectContaining({
        type: 'result',
        ok: false,
        error: expect.objectContaining({ message: expect.stringContaining('lost') }),
      }),
    ]);
  });
});

describe('the limits of a process group', () => {
  const limits = { bytes: 150 * 1024 * 1024, processes: 8 };
  const node = (script: string): string[] => [process.execPath, '-e', script];

  it('memory beside the heap counts, and goes beyond it once', async () => {
    const hog = 'const kept = []; setInterval(() => kept.push(Buffer.alloc(1e7, 1)), 20);';
    const child = await AgentProcess.start({ command: node(hog), env: {}, limits });
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(child.breach).toBe('it used more than 150 MiB of memory');
  });

  it('memory of all its processes is one sum', async () => {
    const part = 'globalThis.kept = Buffer.alloc(6e7, 1); setInterval(() => {}, 1000);';
    const hog = `for (let i = 0; i < 3; i += 1) require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(part)}]); setInterval(() => {}, 1000);`;
    const child = await AgentProcess.start({ command: node(hog), env: {}, limits });
    await child.exited;
    expect(child.breach).toBe('it used more than 150 MiB of memory');
  });

  it('a program that starts itself again and again is ended with all that it started', async () => {
    const bomb =
      'sh -c "sleep 60 & sleep 60 & sleep 60 & sleep 60 & sleep 60 & wait" & sh -c "sleep 60 & sleep 60 & sleep 60 & sleep 60 & wait" & wait';
    const child = await AgentProcess.start({ command: ['/bin/sh', '-c', bomb], env: {}, limits });
    const group = child.pid;
    await child.exited;
    expect(child.breach).toBe('it had more than 8 processes');
    while (groupsUse(new Set([group])).has(group)) await pause(20);
  });

  it('is behind its executor for the processor, and before it when memory is short', async () => {
    const child = await AgentProcess.start({ command: node('setInterval(() => {}, 1000)'), env: {} });
    expect(getPriority(child.pid)).toBe(5);
    expect(readFileSync(`/proc/${child.pid}/oom_score_adj`, 'utf8').trim()).toBe('1000');
    child.kill();
    await child.exited;
    expect(child.breach).toBeUndefined();
  });
});
