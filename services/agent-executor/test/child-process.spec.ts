import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Kvm } from '@nats-io/kv';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { admissionKey, sealEnv } from '@runledger/wire';
import { codeAgent, processAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';

const node = (script: string): string[] => [process.execPath, '-e', script];
const say = (frame: object): string =>
  `process.stdout.write(${JSON.stringify(JSON.stringify(frame) + '\n')});`;
const ok = say({ type: 'result', ok: true, value: 1 });

describe('agents in processes of their own', () => {
  let cell: Cell;
  let executor: RunningService;

  beforeAll(async () => {
    cell = await Cell.start();
    executor = await startExecutor(cell);
  });
  afterAll(async () => {
    await executor.close();
    await cell.stop();
  });

  it('answers a process that asks far more at once than is taken in, in the end every time', async () => {
    const asks = 1_500;
    const script = `
      let asked = '';
      for (let i = 0; i < ${asks}; i++) asked += JSON.stringify({ type: 'call', id: String(i), method: 'random', params: {} }) + '\\n';
      process.stdout.write(asked);
      let answers = 0;
      require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
        if (JSON.parse(line).type !== 'reply' || ++answers < ${asks}) return;
        process.stdout.write(JSON.stringify({ type: 'result', ok: true, value: answers }) + '\\n');
      });`;
    const end = await cell.ended(await cell.start(processAgent('eager', node(script)), {}));
    expect(end).toMatchObject({ type: 'run.succeeded', data: { result: asks } });
  });

  async function errorOf(command: string[]): Promise<{ code: string; detail: string }> {
    const end = await cell.ended(await cell.start(processAgent('bad', command), {}));
    expect(end.type).toBe('run.failed');
    return end.data.error as { code: string; detail: string };
  }

  it.each([
    [
      'exits 3 after its result',
      node(`${ok} console.error('oh no'); process.exitCode = 3; process.stdin.destroy();`),
      'agent_exit',
      /code 3.*oh no/s,
    ],
    ['exits 0 without a result', node('process.exit(0)'), 'agent_no_result', /without a result/],
    ['is killed', node('process.kill(process.pid, "SIGKILL")'), 'agent_killed', /SIGKILL/],
    ['says what is not JSON', node('console.log("hello")'), 'protocol_violation', /invalid_json: .*hello/],
    ['says an unknown type', node(say({ type: 'shout' })), 'protocol_violation', /invalid_frame: .*shout/],
    [
      'says an unknown field',
      node(say({ type: 'result', ok: true, value: 1, extra: 2 })),
      'protocol_violation',
      /unknown field "extra"/,
    ],
    [
      'says bytes that are not UTF-8',
      node('process.stdout.write(Buffer.from([0xff, 0xfe, 10]))'),
      'protocol_violation',
      /invalid_utf8/,
    ],
    ['gives two results', node(ok + ok), 'protocol_violation', /after the result/],
    [
      'ends in the middle of a frame',
      node('process.stdout.write("{\\"type\\"")'),
      'protocol_violation',
      /cut_frame/,
    ],
    [
      'prints 50 MB without a line feed',
      node('const b = Buffer.alloc(1e6, 97); for (let i = 0; i < 50; i++) process.stdout.write(b);'),
      'protocol_violation',
      /frame_too_large/,
    ],
    ['does not exist', ['/nonexistent/agent'], 'agent_not_started', /ENOENT/],
    [
      'fails by its own word',
      node(say({ type: 'result', ok: false, error: { code: 'no_luck', message: 'none left' } })),
      'no_luck',
      /none left/,
    ],
  ])('a process that %s', async (_name, command, code, detail) => {
    const error = await errorOf(command);
    expect(error.code).toBe(code);
    expect(error.detail).toMatch(detail);
  });

  it('ends what a process leaves behind in its group', async () => {
    const script = `const c = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' }); process.stdout.write(JSON.stringify({ type: 'result', ok: true, value: c.pid }) + '\\n'); setTimeout(() => process.exit(0), 50);`;
    const end = await cell.ended(await cell.start(processAgent('parent', node(script)), {}));
    expect(end.type).toBe('run.succeeded');
    await waitFor(() => !running(end.data.result as number), { describe: 'the grandchild is gone' });
  });

  it('gives a process the agent’s environment and nothing of the executor’s', async () => {
    const script = `process.stdout.write(JSON.stringify({ type: 'result', ok: true, value: process.env }) + '\\n'); process.stdin.destroy();`;
    const agent = processAgent('env', node(script), {
      env_vars: [
        { key: 'COLOUR', value: 'blue' },
        { key: 'SIZE', value: 'small' },
      ],
    });
    process.env.RUNLEDGER_CANARY = 'seen';
    try {
      const end = await cell.ended(await cell.start(agent, {}));
      const env = end.data.result as Record<string, string>;
      expect(env).toMatchObject({ COLOUR: 'blue', SIZE: 'small' });
      expect(Object.keys(env).sort()).toEqual(['COLOUR', 'HOME', 'LANG', 'PATH', 'SIZE', 'TMPDIR']);
    } finally {
      delete process.env.RUNLEDGER_CANARY;
    }
  });

  it('overlays the values of the start, which never enter the log', async () => {
    const bucket = await new Kvm(cell.broker.js).open('run-env');
    const agent = codeAgent(
      'secret',
      'return { length: process.env.TOKEN.length, size: process.env.SIZE };',
      { env_vars: [{ key: 'SIZE', value: 'small' }] },
    );
    const address = await cell.request(agent, {}, { env_keys: ['TOKEN'] });
    await bucket.put(
      admissionKey(address.tenant_id, address.run_id),
      sealEnv(cell.secretKey, { TOKEN: 'hunter2-hunter2' }),
    );
    await cell.dispatch(address);
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ length: 15, size: 'small' });
    expect(JSON.stringify(await cell.events(address))).not.toContain('hunter2');
  });

  it('keeps large inputs and results out of the log, and the agent sees them whole', async () => {
    const address = await cell.start(
      codeAgent('large', 'return { text: "x".repeat(200_000), got: input.n };'),
      { n: 1 },
    );
    const end = await cell.ended(address);
    expect(end.data.result).toMatchObject({
      blob: expect.stringMatching(/^[0-9a-f]{64}$/),
      bytes: expect.any(Number),
    });
    const blob = await cell.log.getBlob(address, (end.data.result as { blob: string }).blob);
    expect(JSON.parse(blob ?? '{}')).toEqual({ text: 'x'.repeat(200_000), got: 1 });
    const text = JSON.stringify({ n: 'y'.repeat(70_000) });
    const second = await cell.request(codeAgent('large2', 'return input.n.length;'), {
      ...(await cell.log.putBlob(address, text)),
    });
    await cell.log.putBlob(second, text);
    await cell.dispatch(second);
    expect((await cell.ended(second)).data.result).toBe(70_000);
  });

  it('refuses what this version cannot do, and the agent may go on', async () => {
    const body = `const codes = []; for (const call of [() => tools.callAgent('x', 1), () => tools.dataStore.get('n', 'k'), () => tools.callTool('none')]) await call().catch((error) => codes.push(error.code)); return codes;`;
    const end = await cell.ended(await cell.start(codeAgent('curious', body), {}));
    expect(end.data.result).toEqual(['agent_unknown', 'data_store_unavailable', 'call_failed']);
  });

  it('says where a result does not fit its schema, and succeeds', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n', 'm'] };
    const end = await cell.ended(
      await cell.start(codeAgent('odd', 'return { n: "one" };', { output_schema: schema }), {}),
    );
    expect(end).toMatchObject({ type: 'run.succeeded', data: { result: { n: 'one' } } });
    expect(end.data.schema_warnings).toEqual([expect.stringContaining("'m'"), expect.stringContaining('/n')]);
  });

  it('fails with the stack of what a module threw, and says when it is no agent', async () => {
    const thrown = await cell.ended(
      await cell.start(codeAgent('thrower', 'throw new Error("out of paint");'), {}),
    );
    expect(thrown.data.error).toMatchObject({
      code: 'agent_error',
      category: 'agent',
      detail: expect.stringMatching(/out of paint[\s\S]*agent\.mts/),
    });
    const empty = await cell.ended(
      await cell.start({ ...codeAgent('empty', ''), code: 'export const a = 1;' }, {}),
    );
    expect(empty.data.error).toMatchObject({ detail: expect.stringContaining('no default export') });
  });
});

/** A process that has ended and whose exit nobody has read is not running. */
function running(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
