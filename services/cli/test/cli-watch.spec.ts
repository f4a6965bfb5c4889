import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import {
  answerJson,
  frameOf,
  PlayedGateway,
  sse,
  type PlayedRun,
} from '../../../libs/client/test/played-gateway.ts';
import { callCli, until, type Called } from './called-cli.ts';

const RUN = '01JD0000000000000000000000';

let gateway: PlayedGateway;
let run: PlayedRun;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  run = gateway.run(RUN);
});
afterEach(() => gateway.close());

const call = (args: string[], more?: Parameters<typeof callCli>[2]): Called => callCli(gateway, args, more);

async function finished(...asked: Parameters<typeof call>): Promise<[number | null, string, string]> {
  const called = call(...asked);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}

const complete = (
  end = 'run.succeeded',
  data: Record<string, unknown> = { result: { reply: 'ok' } },
): PlayedRun =>
  run.append('run.requested', { agent_id: 'hello', user_id: 'dev', channel: 'cli' }).append(end, data);

describe('watch', () => {
  it('prints the stored lines byte for byte with --output json, over a cut connection', async () => {
    run.append('run.requested').append('log.written', { message: 'grüße \u009b 🚀', n: 1e21 });
    complete();
    gateway.next(/stream$/, (_asked, res) => {
      sse(res).write(`retry: 10\n\n${frameOf(run.lines[0] ?? '')}id: 2\nda`, () => res.destroy());
    });
    const [code, out, err] = await finished(['watch', RUN, '--output', 'json']);
    expect([code, err]).toEqual([0, `Run ${RUN} success.\n`]);
    expect(out).toBe(run.lines.map((line) => `${line}\n`).join(''));
  });

  it.each([
    ['run.succeeded', 0, 'success'],
    ['run.failed', 1, 'error'],
    ['run.stopped', 3, 'stopped'],
  ])('ends with the exit code of %s', async (end, exit, status) => {
    complete(end);
    const [code, out, err] = await finished(['watch', RUN]);
    expect([code, err]).toEqual([exit, `Run ${RUN} ${status}.\n`]);
    expect(out).toMatch(/^\[\d\d:\d\d:\d\d\] Requested hello by dev \(cli\)\n/);
    expect(out).not.toContain('\u001b');
  });

  it('says (inferred) when the run can no longer be read', async () => {
    complete();
    const gone = Array.from({ length: 6 }, () => (_asked: unknown, res: Parameters<typeof answerJson>[0]) => {
      answerJson(res, 503, { code: 'unavailable', title: 'Away', detail: '' });
    });
    gateway.next(new RegExp(`${RUN}$`), ...gone);
    const [code, , err] = await finished(['watch', RUN]);
    expect([code, err]).toEqual([0, `Run ${RUN} success. (inferred)\n`]);
  }, 40_000);

  it('leaves the run running on Ctrl-C, and says how to come back', async () => {
    run.append('run.requested', { agent_id: 'hello' });
    const watching = call(['watch', RUN]);
    await until(() => watching.stdout().includes('Requested'));
    watching.child.kill('SIGINT');
    expect(await watching.exit).toBe(130);
    expect(watching.stderr()).toBe(`Left run ${RUN} running. Come back with: runledger watch ${RUN}\n`);
    expect(gateway.askedFor(/stop$/)).toEqual([]);
  });

  it('ends quietly when nobody reads any more', async () => {
    for (let i = 0; i < 3000; i++) run.append('log.written', { message: 'x'.repeat(200) });
    const watching = call(['watch', RUN, '--output', 'json']);
    await once(watching.child.stdout as NodeJS.ReadableStream, 'data');
    watching.child.stdout?.destroy();
    expect([await watching.exit, watching.stderr()]).toEqual([0, '']);
  });

  it('says on stderr when the connection keeps failing, and goes on', async () => {
    complete();
    const drop = (_asked: unknown, res: { destroy: () => void }): void => void res.destroy();
    gateway.next(/stream$/, (_asked, res) => void sse(res).end('retry: 10\n\n'), drop, drop);
    const [code, out, err] = await finished(['watch', RUN, '--output', 'json']);
    expect(code).toBe(0);
    expect(out.split('\n')).toHaveLength(run.lines.length + 1);
    expect(err).toContain('the connection keeps failing (3 times');
  });

  it('shows every HTTP exchange with --verbose, without the key', async () => {
    complete();
    const [, , err] = await finished(['watch', RUN, '--verbose']);
    expect(err).toMatch(new RegExp(`> GET ${gateway.url}/runs/${RUN}/stream -> 200 in \\d+ ms`));
    expect(err).not.toContain(gateway.key);
  });
});

describe('run', () => {
  it('starts and watches: stdout is the events', async () => {
    const running = call(['run', 'hello', '--output', 'json']);
    await until(() => running.stdout().includes('run.requested'));
    const started = gateway.runs.get('01JD0000000000000000000001');
    started?.append('run.succeeded', { result: 1 });
    expect(await running.exit).toBe(0);
    expect(running.stdout()).toBe(started?.lines.map((line) => `${line}\n`).join(''));
    expect(running.stderr()).toBe(
      'Run 01JD0000000000000000000001\nRun 01JD0000000000000000000001 success.\n',
    );
  });
});
