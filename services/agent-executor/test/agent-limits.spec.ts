import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { codeAgent, processAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';

/** What an agent's program may do to its executor and to its machine. */
describe('an agent that takes too much', () => {
  let cell: Cell;
  let executor: RunningService;

  beforeAll(async () => {
    cell = await Cell.start();
    executor = await startExecutor(cell, { agentMemoryMib: 200, agentProcesses: 12 });
  });
  afterAll(async () => {
    await executor.close();
    await cell.stop();
  });

  const errorOf = async (body: string): Promise<{ code: string; category: string; detail: string }> => {
    const end = await cell.ended(await cell.start(codeAgent('greedy', body), {}), 25_000);
    expect(end.type).toBe('run.failed');
    return end.data.error as { code: string; category: string; detail: string };
  };

  it('of memory for its values ends, and the error says so', async () => {
    const { code, detail } = await errorOf('const kept = []; for (;;) kept.push(new Array(1000).fill({}));');
    // Its heap is full, or its process is found to be too large: what comes first is a matter of milliseconds.
    expect([
      ['agent_killed', 'heap out of memory'],
      ['agent_over_limit', 'more than 200 MiB of memory'],
    ]).toContainEqual([code, /heap out of memory|more than 200 MiB of memory/.exec(detail)?.[0]]);
  });

  it('of memory beside them is ended, and the error names the limit', async () => {
    const body =
      'const kept = []; for (;;) { kept.push(Buffer.alloc(1e7, 1)); await new Promise((r) => setTimeout(r, 10)); }';
    expect(await errorOf(body)).toMatchObject({
      code: 'agent_over_limit',
      category: 'limit',
      detail: expect.stringMatching(/more than 200 MiB of memory/),
    });
  });

  it('of processes is ended with all of them', async () => {
    const body = `const { spawn } = await import('node:child_process');
      for (let i = 0; i < 20; i += 1) spawn('sleep', ['60']);
      await new Promise(() => setInterval(() => {}, 1000));`;
    expect(await errorOf(body)).toMatchObject({
      code: 'agent_over_limit',
      detail: expect.stringMatching(/more than 12 processes/),
    });
  });

  it('of the processor does not keep others from their turn, and a kill ends it with its group', async () => {
    const body = `const { spawn } = await import('node:child_process');
      const child = spawn('sleep', ['600']);
      await tools.step('spinning', null, () => ({ pids: [process.pid, child.pid] }));
      for (;;);`;
    const address = await cell.start(codeAgent('spinner', body), {});
    const step = await cell.until(address, (event) => event.data.name === 'spinning');
    const { pids } = step.data.result as { pids: number[] };
    // A stop that waits for the next boundary waits for ever; it says so, and others go on.
    await cell.requestStop(address);
    const other = await cell.ended(await cell.start(codeAgent('other', 'return 1;'), {}));
    expect(other.type).toBe('run.succeeded');
    expect((await cell.events(address)).at(-1)?.type).toBe('stop.requested');
    await cell.requestStop(address, 'kill');
    expect((await cell.ended(address)).type).toBe('run.stopped');
    for (const pid of pids) await waitFor(() => !isRunning(pid), { describe: `process ${pid} to be gone` });
  });

  it('of a call: the arguments are refused, and it may go on', async () => {
    const body = `try { await tools.callLlm('x'.repeat(2_000_000)); } catch (error) { return error.code; }`;
    const end = await cell.ended(await cell.start(codeAgent('wordy', body), {}));
    expect(end.data.result).toBe('value_too_large');
  });

  it('of a result fails by that; a line that is too long is cut', async () => {
    expect(await errorOf(`return 'x'.repeat(2_000_000);`)).toMatchObject({
      code: 'value_too_large',
      detail: expect.stringMatching(/a result: 2000\d+ bytes are more than 1048576/),
    });
    const body = `console.log('x'.repeat(5_000_000)); tools.log('y'.repeat(5_000_000)); return 1;`;
    const address = await cell.start(codeAgent('loud', body), {});
    expect((await cell.ended(address)).type).toBe('run.succeeded');
    const lines = (await cell.events(address)).filter(({ type }) => type === 'log.written');
    expect(lines.map(({ data }) => String(data.message)[0])).toEqual(['x', 'y']);
  });

  it('of output, as a program of its own, is read no further and ended', async () => {
    const say = `const line = JSON.stringify({ type: 'event', event: 'log', message: 'x' }) + '\\n'; for (;;) if (!process.stdout.write(line.repeat(1000))) await new Promise((r) => process.stdout.once('drain', r));`;
    const script = `(async () => { ${say} })()`;
    const address = await cell.start(processAgent('endless', [process.execPath, '-e', script]), {});
    await cell.until(address, ({ type }) => type === 'log.written');
    await cell.requestStop(address, 'kill');
    expect((await cell.ended(address)).type).toBe('run.stopped');
  });
});

/** A process that has ended and whose exit nobody has read is not running. */
function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
