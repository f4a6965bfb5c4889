import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerJson, PlayedGateway } from '../../../libs/client/test/played-gateway.ts';
import { callCli } from './called-cli.ts';

const RUN = '01JD0000000000000000000000';

let gateway: PlayedGateway;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  gateway.run(RUN).append('run.requested');
});
afterEach(() => gateway.close());

async function finished(...args: string[]): Promise<[number | null, string, string]> {
  const called = callCli(gateway, args);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}

describe('approvals', () => {
  it('lists what is to be decided, harmless', async () => {
    expect(await finished('approvals', 'list')).toEqual([0, '', 'Nothing to decide.\n']);
    const approval = {
      ...{ run_id: RUN, agent_id: 'hello', agent_name: 'Hello', seq: 3, approval_id: 'a1', call_id: 'c1' },
      ...{ name: 'Bash', args_preview: '{"command":"\u001b[31mls"}', args_sha256: '', severity: 'high' },
      ...{ reason: 'outside', requested_at: '', due_at: '2020-01-01T00:00:00.000Z' },
    };
    gateway.approvals = [approval];
    expect(await finished('approvals', 'list')).toEqual([
      0,
      [
        'RUN ID                      APPROVAL  AGENT  SEVERITY  LEFT  CALL                           REASON',
        `${RUN}  a1        hello  high      over  Bash {"command":"\\x1b[31mls"}  outside`,
        '',
      ].join('\n'),
      '',
    ]);
    const [code, json] = await finished('approvals', 'list', '--output', 'json');
    expect([code, JSON.parse(json)]).toEqual([0, approval]);
  });

  it('comes page by page', async () => {
    const page =
      (approval_id: string, next_cursor: string | null): Parameters<PlayedGateway['next']>[1] =>
      (_asked, res) =>
        answerJson(res, 200, { approvals: [{ approval_id }], next_cursor });
    gateway.next(/approvals/, page('a1', 'x'), page('a2', null));
    const [, json] = await finished('approvals', 'list', '--output', 'json');
    expect(json).toBe('{"approval_id":"a1"}\n{"approval_id":"a2"}\n');
    expect(gateway.asked.map(({ query }) => query.get('cursor'))).toEqual([null, 'x']);
  });

  it('approve and deny say what the run is then', async () => {
    expect(await finished('approve', RUN, 'a1')).toEqual([
      0,
      `Approved a1 of run ${RUN}. It is running now.\n`,
      '',
    ]);
    expect((await finished('deny', RUN, 'a2', '--reason', 'too much'))[1]).toBe(
      `Denied a2 of run ${RUN}. It is running now.\n`,
    );
    expect(gateway.asked.map(({ path, body }) => [path, JSON.parse(body) as unknown])).toEqual([
      [`/runs/${RUN}/approvals/a1`, { decision: 'approve' }],
      [`/runs/${RUN}/approvals/a2`, { decision: 'deny', reason: 'too much' }],
    ]);
  });

  it('who was not the first is told who was', async () => {
    gateway.next(/approvals/, (_asked, res) =>
      answerJson(res, 409, { code: 'approval_already_decided', title: 'Decided', detail: 'ben said deny' }),
    );
    expect(await finished('approve', RUN, 'a1')).toEqual([
      1,
      '',
      'error: Decided: ben said deny (409 approval_already_decided)\n',
    ]);
  });
});
