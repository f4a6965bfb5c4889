import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerJson, PlayedGateway, type PlayedRun } from '../../../libs/client/test/played-gateway.ts';
import { callCli } from './called-cli.ts';

const RUN = '01JD0000000000000000000000';
const LEFT = '01JD0000000000000000000001';
const RIGHT = '01JD0000000000000000000002';
const LEAF = '01JD0000000000000000000003';

let gateway: PlayedGateway;
let run: PlayedRun;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  run = gateway.run(RUN);
});
afterEach(() => gateway.close());

async function finished(...args: string[]): Promise<[number | null, string, string]> {
  const called = callCli(gateway, args);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}

const bodies = (): unknown[] => gateway.asked.map((asked) => JSON.parse(asked.body) as unknown);

describe('steering a run', () => {
  it('nudge sends one message under a key, and says where it is in the log', async () => {
    expect(await finished('nudge', RUN, 'use the small one')).toEqual([
      0,
      'Nudge n1 is event 1 of the run.\n',
      '',
    ]);
    expect(bodies()).toEqual([{ message: 'use the small one' }]);
    expect(gateway.asked[0]?.headers['idempotency-key']).toMatch(/^[0-9A-Z]{26}$/);
    const [, json] = await finished('nudge', RUN, 'again', '--output', 'json');
    expect(JSON.parse(json)).toEqual({ nudge_id: 'n1', seq: 2 });
  });

  it('nudge passes on that there were too many', async () => {
    gateway.next(/nudges$/, (_asked, res) =>
      answerJson(res, 429, { code: 'too_many_nudges', title: 'Too many nudges', detail: 'ten a minute' }),
    );
    expect(await finished('nudge', RUN, 'x')).toEqual([
      1,
      '',
      'error: Too many nudges: ten a minute (429 too_many_nudges)\n',
    ]);
  });

  it('pause and resume say what the run is now', async () => {
    expect(await finished('pause', RUN, '--reason', 'lunch')).toEqual([
      0,
      `Asked for a pause of run ${RUN}. It is running now.\n`,
      '',
    ]);
    expect(await finished('resume', RUN)).toEqual([0, `Resumed run ${RUN}. It is running now.\n`, '']);
    expect(bodies()).toEqual([{ reason: 'lunch' }, {}]);
    const [code, json] = await finished('resume', RUN, '--output', 'json');
    expect([code, JSON.parse(json)]).toEqual([0, { run_id: RUN, status: 'running', seq: 3 }]);
  });

  it('limits sends those that are given', async () => {
    const all = ['--max-turns', '9', '--max-cost', '1.5', '--timeout', '60', '--max-attempts', '4'];
    expect(await finished('limits', RUN, ...all)).toEqual([
      0,
      `Raised the limits of run ${RUN}. It is running now.\n`,
      '',
    ]);
    await finished('limits', RUN, '--max-cost', '2');
    expect(bodies()).toEqual([
      { max_turns: 9, max_cost_usd: 1.5, timeout_s: 60, max_attempts: 4 },
      { max_cost_usd: 2 },
    ]);
  });

  it('resolve says what became of a call', async () => {
    expect(await finished('resolve', RUN, 'c1', 'retry')).toEqual([
      0,
      `Resolved call c1 (retry) of run ${RUN}. It is running now.\n`,
      '',
    ]);
    await finished('resolve', RUN, 'c2', 'mark_done', '--result', '{"paid":3}');
    expect(gateway.asked.map((asked) => asked.path)).toEqual([
      `/runs/${RUN}/outcomes/c1`,
      `/runs/${RUN}/outcomes/c2`,
    ]);
    expect(bodies()).toEqual([{ choice: 'retry' }, { choice: 'mark_done', result: { paid: 3 } }]);
  });

  it('stop --kill after a stop is no error, and every verb says when the run has ended', async () => {
    expect((await finished('stop', RUN))[0]).toBe(0);
    expect(await finished('stop', RUN, '--kill')).toEqual([
      0,
      `Asked run ${RUN} to stop (kill). It is stopping now.\n`,
      '',
    ]);
    run.append('run.stopped');
    for (const args of [
      ['nudge', RUN, 'x'],
      ['pause', RUN],
      ['resume', RUN],
      ['limits', RUN, '--max-turns', '9'],
      ['resolve', RUN, 'c1', 'skip'],
    ])
      expect(await finished(...args)).toEqual([
        1,
        '',
        'error: Conflict: the run is stopped (409 run_already_ended)\n',
      ]);
  });

  it.each([
    [['nudge', RUN]],
    [['limits', RUN]],
    [['limits', RUN, '--max-turns', '0']],
    [['limits', RUN, '--max-cost', 'much']],
    [['resolve', RUN, 'c1']],
    [['resolve', RUN, 'c1', 'undo']],
    [['resolve', RUN, 'c1', 'skip', '--result', '1']],
  ])('%j is exit 2, with nothing asked', async (args) => {
    const [code, out, err] = await finished(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
    expect(gateway.asked).toEqual([]);
  });
});

describe('tree', () => {
  const node = (run_id: string, parent_run_id: string | null, more: object = {}): object => ({
    run_id,
    agent_id: 'tree',
    status: 'stopping',
    parent_run_id,
    depth: 0,
    stop: { requested_at: new Date(Date.now() - 65_000).toISOString(), mode: 'cooperative', reason: '' },
    receipt: null,
    waiting_for: [],
    ...more,
  });
  const inFlight = [{ kind: 'model', name: 'offline/\u001b[31mx', started_at: '' }];

  beforeEach(() => {
    run.tree = {
      run_id: RUN,
      status: 'stopping',
      truncated: false,
      runs: [
        node(RUN, null, { waiting_for: [LEFT, LEAF, 'x', 'y', 'z'] }),
        node(LEFT, RUN, { waiting_for: [LEAF] }),
        node(RIGHT, RUN, {
          status: 'stopped',
          receipt: { boundary: 'turn 2', in_flight: [], latency_ms: 2_400, seq: 9 },
        }),
        node(LEAF, LEFT, {
          receipt: { boundary: 'tick 3', in_flight: inFlight, latency_ms: 12, seq: 7 },
        }),
      ],
    };
  });

  it('shows who is waited for and who has seen the stop', async () => {
    const [code, out, err] = await finished('tree', RUN);
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n').map((line) => line.replace(/1m 0\ds/, '1m'))).toEqual([
      `${RUN}  tree  stopping  (stop (cooperative) asked for 1m ago; waits for ${LEFT}, ${LEAF}, x and 2 more)`,
      `├─ ${LEFT}  tree  stopping  (stop (cooperative) asked for 1m ago; waits for ${LEAF})`,
      `│  └─ ${LEAF}  tree  stopping  (stop (cooperative) asked for 1m ago; seen at tick 3 after 12 ms, in flight: model offline/\\x1b[31mx)`,
      `└─ ${RIGHT}  tree  stopped  (seen at turn 2 after 2s)`,
      '',
    ]);
  });

  it('is one JSON document on request, and says when it is cut', async () => {
    run.tree.truncated = true;
    const [code, out, err] = await finished('tree', RUN, '--output', 'json');
    expect([code, JSON.parse(out)]).toEqual([0, run.tree]);
    expect(err).toBe('There are more runs than are shown here: ask for the tree of one of them.\n');
  });
});
