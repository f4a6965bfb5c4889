import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerJson, PlayedGateway, type PlayedRun } from '../../../libs/client/test/played-gateway.ts';
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

describe('start', () => {
  it('prints the run id and nothing else, and sends what the flags say', async () => {
    const limits = [
      '--max-turns',
      '5',
      '--max-cost',
      '0.5',
      '--timeout',
      '60',
      '--label',
      'team=a',
      '--env',
      'A=b=c',
    ];
    const input = ['-i', 'n=3', '-i', 'who=the world', '-i', 'list=[1,"x"]'];
    const [code, out] = await finished(['start', 'hello', ...input, ...limits, '--idempotency-key', 'k-1']);
    expect([code, out]).toEqual([0, '01JD0000000000000000000001\n']);
    const asked = gateway.asked[0];
    expect(JSON.parse(asked?.body ?? '')).toEqual({
      agent_id: 'hello',
      input: { n: 3, who: 'the world', list: [1, 'x'] },
      env: { A: 'b=c' },
      limits: { max_turns: 5, max_cost_usd: 0.5, timeout_s: 60 },
      labels: { team: 'a' },
    });
    expect(asked?.headers['idempotency-key']).toBe('k-1');
    expect(asked?.headers['user-agent']).toMatch(/^runledger-cli\//);
  });

  it('reads the input from standard input, and answers JSON', async () => {
    const args = ['start', 'hello', '--input', '-', '--output', 'json'];
    const [code, out] = await finished(args, { stdin: '{"message": "hi"}' });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      run_id: expect.any(String),
      status: 'queued',
      seq: 1,
      replayed: false,
    });
    expect(JSON.parse(gateway.asked[0]?.body ?? '')).toEqual({ agent_id: 'hello', input: { message: 'hi' } });
  });

  it('--wait answers the end with its exit code; 4 when it gave up', async () => {
    const [gaveUp, out, err] = await finished(['start', 'hello', '--wait', '--max-wait', '0.2']);
    expect([gaveUp, out]).toEqual([4, '01JD0000000000000000000001\n']);
    expect(err).toContain('Come back with: runledger watch 01JD0000000000000000000001');
    const waiting = call(['start', 'hello', '--wait']);
    await until(() => gateway.runs.has('01JD0000000000000000000002'));
    gateway.runs.get('01JD0000000000000000000002')?.append('run.stopped', { by: {}, reason: '' });
    expect(await waiting.exit).toBe(3);
    expect(waiting.stdout()).toBe('01JD0000000000000000000002\n');
  });

  it('passes a refusal on with every named field', async () => {
    const errors = [{ in: 'body', pointer: '/limits/max_turns', detail: 'too \u001b[31mmany' }];
    gateway.next(/start$/, (_asked, res) =>
      answerJson(res, 400, {
        code: 'invalid_request',
        title: 'Not valid',
        detail: 'see errors',
        errors,
        request_id: 'q1',
      }),
    );
    expect(await finished(['start', 'hello'])).toEqual([
      1,
      '',
      'error: Not valid: see errors (400 invalid_request, request q1)\n  body /limits/max_turns: too \\x1b[31mmany\n',
    ]);
  });
});

describe('the other verbs', () => {
  it('status shows a snapshot, and gives up waiting with 4', async () => {
    run.append('run.requested');
    const [code, out] = await finished(['status', RUN]);
    expect([code, out.split('\n')[0]]).toEqual([0, expect.stringContaining(`Run ${RUN} — RUNNING (`)]);
    const [waited, snapshot, err] = await finished(['status', RUN, '--wait', '--max-wait', '0.2']);
    expect(waited).toBe(4);
    expect(snapshot).toContain('RUNNING');
    expect(err).toBe(`Gave up waiting; the run goes on. Come back with: runledger watch ${RUN}\n`);
    run.append('run.failed', { error: {} });
    expect((await finished(['status', RUN, '--wait', '--output', 'json']))[0]).toBe(1);
  });

  it('status --wait waits for the end', async () => {
    run.append('run.requested');
    const waiting = call(['status', RUN, '--wait']);
    await until(() => gateway.askedFor(/runs/).length > 1);
    run.append('run.stopped', { by: {}, reason: '' });
    expect(await waiting.exit).toBe(3);
    expect(waiting.stdout()).toContain(`Run ${RUN} — STOPPED (3m 14s total)`);
    expect(waiting.stderr()).toBe('');
  });

  it('list prints rows, or one JSON document per line', async () => {
    for (let i = 0; i < 4; i++) gateway.run(`01JD000000000000000000010${i}`);
    const [code, out] = await finished([
      'list',
      '--limit',
      '3',
      '--status',
      'running,queued',
      '--agent',
      'hello',
    ]);
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.split(/\s+/)[0])).toEqual([
      'RUN',
      '01JD0000000000000000000103',
      '01JD0000000000000000000102',
      '01JD0000000000000000000101',
      '',
    ]);
    expect(gateway.asked[0]?.query.get('status')).toBe('running,queued');
    expect(gateway.asked[0]?.query.get('agent_id')).toBe('hello');
    const [, json] = await finished(['list', '--output', 'json']);
    expect(
      json
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { run_id: string }).run_id),
    ).toHaveLength(5);
  });

  it('events prints what is there, from any place', async () => {
    complete();
    const [code, out] = await finished(['events', RUN, '--after', '1', '--output', 'json']);
    expect([code, out]).toEqual([0, `${run.lines[1]}\n`]);
    expect((await finished(['events', RUN, '--limit', '1', '--output', 'json']))[1]).toBe(
      `${run.lines[0]}\n`,
    );
  });

  it('stop says what it asked and what the run is now', async () => {
    const [code, out] = await finished(['stop', RUN, '--kill', '--reason', 'enough']);
    expect([code, out]).toEqual([0, `Asked run ${RUN} to stop (kill). It is stopping now.\n`]);
    expect(JSON.parse(gateway.asked[0]?.body ?? '')).toEqual({ mode: 'kill', reason: 'enough' });
    complete();
    expect(await finished(['stop', RUN])).toEqual([
      1,
      '',
      'error: Conflict: the run is success (409 run_already_ended)\n',
    ]);
  });

  it('agents list shows the agents', async () => {
    expect(await finished(['agents', 'list'])).toEqual([
      0,
      'AGENT  KIND  REVISION  DESCRIPTION\nhello  llm   1         Hello\n',
      '',
    ]);
  });

  it('doctor is content with a healthy gateway', async () => {
    const [code, out] = await finished(['doctor']);
    expect(out.split('\n').map((line) => line.slice(0, 22).trim())).toEqual([
      'ok    versions',
      'ok    configuration',
      'ok    gateway',
      'ok    ready',
      'ok      broker',
      'ok      views',
      'ok    key',
      'ok    clock',
      '',
    ]);
    expect(code).toBe(0);
  });

  it('doctor exits 1 when something fails', async () => {
    gateway.next(/readyz/, (_asked, res) =>
      answerJson(res, 503, { checks: { broker: 'unavailable', views: 'ok' } }),
    );
    const [code, out] = await finished(['doctor', '--api-key', 'rl_other']);
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {4}broker +unavailable$/m);
    expect(out).toMatch(/^fail {2}key +refused/m);
    const [away, lines] = await finished(['doctor', '--url', 'http://127.0.0.1:1']);
    expect(away).toBe(1);
    expect(lines).toMatch(/^fail {2}gateway +http:\/\/127\.0\.0\.1:1 does not answer/m);
  });
});

describe('wrong calls', () => {
  it.each([
    [['dance']],
    [['watch']],
    [['start', 'hello', '-i', 'nothing']],
    [['start', 'hello', '-i', 'a=1', '--input', '-']],
    [['start', 'hello', '--max-turns', 'many']],
    [['start', 'hello', '--wait', '--watch']],
    [['list', '--status', 'sleeping']],
    [['list', '--output', 'yaml']],
    [['list', '--url', 'ftp://x']],
    [['start', 'hello', '--input', '/no/such/file']],
  ])('%j is exit 2, with nothing on stdout and nothing asked', async (args) => {
    const [code, out, err] = await finished(args, { stdin: 'no json' });
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
    expect(gateway.asked).toEqual([]);
  });

  it('a run that is not there, a key that is refused and no configuration are exit 1 with a clear word', async () => {
    expect((await finished(['watch', '01JDX']))[2]).toBe(
      'error: Not found: no run 01JDX (404 run_not_found)\n',
    );
    const [code, , err] = await finished(['list'], { env: { RUNLEDGER_API_KEY: 'rl_other' } });
    expect([code, err]).toEqual([1, expect.stringContaining('the key was refused')]);
    const bare = { RUNLEDGER_URL: '', RUNLEDGER_API_KEY: '', RUNLEDGER_HOME: '/no/such/folder' };
    expect((await finished(['list'], { env: bare })).slice(1)).toEqual([
      '',
      expect.stringContaining('npm start'),
    ]);
  });

  it('--help and --version are answers', async () => {
    const [code, out] = await finished(['--help']);
    expect(code).toBe(0);
    expect(out).toContain('Exit codes: 0 success');
    expect((await finished(['--version'])).slice(0, 2)).toEqual([0, '0.1.0\n']);
  });
});
