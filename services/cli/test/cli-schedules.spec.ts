import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerJson, PlayedGateway } from '../../../libs/client/test/played-gateway.ts';
import { callCli } from './called-cli.ts';

const SCHEDULE = {
  schedule_id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  user_id: 'dev',
  agent_id: 'ticker',
  cron: '30 6 * * mon-fri',
  time_zone: 'Europe/Berlin',
  input: { count: 3 },
  labels: { team: 'blue' },
  enabled: true,
  overlap: 'skip',
  missed: 'run_once',
  next_due_at: '2026-12-01T05:30:00.000Z',
  last: { due_at: '2026-11-30T05:30:00.000Z', outcome: 'started' },
  last_run_id: '01ARZ3NDEKTSV4RRFFQ69G5FAW',
};
const PAUSED = { ...SCHEDULE, enabled: false, next_due_at: null };

let gateway: PlayedGateway;
beforeEach(async () => {
  gateway = await PlayedGateway.open();
});
afterEach(() => gateway.close());

async function finished(...args: string[]): Promise<[number | null, string, string]> {
  const called = callCli(gateway, args);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}
const bodyOf = (at = -1): unknown => JSON.parse(gateway.asked.at(at)?.body ?? 'null');

describe('schedules', () => {
  it('create prints the id and sends what the flags say, nothing more', async () => {
    gateway.next(/\/schedules$/, (_asked, res) => answerJson(res, 201, SCHEDULE));
    const flags = ['-i', 'count=3', '--label', 'team=blue', '--overlap', 'allow', '--paused'];
    const when = ['--cron', SCHEDULE.cron, '--time-zone', SCHEDULE.time_zone];
    const [code, out, err] = await finished('schedules', 'create', 'ticker', ...when, ...flags);
    expect([code, out]).toEqual([0, `${SCHEDULE.schedule_id}\n`]);
    expect(err).toContain('2026-12-01T05:30:00Z');
    expect(bodyOf()).toEqual({
      ...{ agent_id: 'ticker', cron: SCHEDULE.cron, time_zone: SCHEDULE.time_zone },
      ...{ input: { count: 3 }, labels: { team: 'blue' }, overlap: 'allow', enabled: false },
    });
    gateway.next(/\/schedules$/, (_asked, res) => answerJson(res, 201, SCHEDULE));
    await finished('schedules', 'create', 'ticker', '--cron', '* * * * *');
    expect(bodyOf()).toEqual({ agent_id: 'ticker', cron: '* * * * *' });
  });

  it('create is repeated under one idempotency key when the answer is lost', async () => {
    gateway.next(/\/schedules$/, (_asked, res) => void res.destroy());
    gateway.next(/\/schedules$/, (_asked, res) => answerJson(res, 200, SCHEDULE));
    expect((await finished('schedules', 'create', 'ticker', '--cron', '* * * * *'))[0]).toBe(0);
    const keys = gateway.asked.map((asked) => asked.headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^\S+$/);
    expect(keys[1]).toBe(keys[0]);
  });

  it('list shows all pages, one line each', async () => {
    gateway.next(/\/schedules/, (_asked, res) =>
      answerJson(res, 200, { schedules: [SCHEDULE], next_cursor: '7' }),
    );
    gateway.next(/\/schedules/, (_asked, res) =>
      answerJson(res, 200, {
        schedules: [{ ...PAUSED, schedule_id: 'other', last: null }],
        next_cursor: null,
      }),
    );
    const [code, out] = await finished('schedules', 'list', '--agent', 'ticker');
    expect(code).toBe(0);
    const rows = out
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows.slice(1)).toEqual([
      [
        ...[SCHEDULE.schedule_id, 'ticker', SCHEDULE.cron, 'Europe/Berlin'],
        ...['2026-12-01T05:30:00Z', '2026-11-30T05:30:00Z', 'started'],
      ],
      ['other', 'ticker', SCHEDULE.cron, 'Europe/Berlin', 'paused', '—', '—'],
    ]);
    expect(gateway.asked.map(({ query }) => [query.get('agent_id'), query.get('cursor')])).toEqual([
      ['ticker', null],
      ['ticker', '7'],
    ]);
  });

  it('show, pause and resume tell the schedule as it is then', async () => {
    gateway.next(/\/schedules\//, (_asked, res) => answerJson(res, 200, SCHEDULE));
    const [, shown] = await finished('schedules', 'show', SCHEDULE.schedule_id);
    expect(shown).toMatch(/^next +2026-12-01T05:30:00Z$/m);
    expect(shown).toMatch(/^last run +01ARZ3NDEKTSV4RRFFQ69G5FAW$/m);
    expect(shown).toMatch(/^input +\{"count":3\}$/m);
    gateway.next(/\/schedules\//, (_asked, res) => answerJson(res, 200, PAUSED));
    const [, paused] = await finished('schedules', 'pause', SCHEDULE.schedule_id);
    expect(paused).toMatch(/^next +paused$/m);
    const path = `/schedules/${SCHEDULE.schedule_id}`;
    expect(gateway.asked.at(-1)).toMatchObject({ method: 'PATCH', path });
    expect(bodyOf()).toEqual({ enabled: false });
    gateway.next(/\/schedules\//, (_asked, res) => answerJson(res, 200, SCHEDULE));
    const [, resumed] = await finished('schedules', 'resume', SCHEDULE.schedule_id, '--output', 'json');
    expect(JSON.parse(resumed)).toEqual(SCHEDULE);
    expect(bodyOf()).toEqual({ enabled: true });
  });

  it('delete says so', async () => {
    gateway.next(/\/schedules\//, (_asked, res) => void res.writeHead(204).end());
    const [code, out] = await finished('schedules', 'delete', SCHEDULE.schedule_id, '--output', 'json');
    expect([code, JSON.parse(out)]).toEqual([0, { schedule_id: SCHEDULE.schedule_id, status: 'deleted' }]);
    expect(gateway.asked.at(-1)).toMatchObject({ method: 'DELETE' });
  });

  it('a refusal names the field', async () => {
    gateway.next(/\/schedules$/, (_asked, res) =>
      answerJson(res, 400, {
        ...{ title: 'The request is not valid', status: 400, detail: 'body /cron: is never due' },
        ...{ code: 'invalid_request', errors: [{ in: 'body', pointer: '/cron', detail: 'is never due' }] },
      }),
    );
    const [code, out, err] = await finished('schedules', 'create', 'ticker', '--cron', '0 0 30 2 *');
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('/cron');
  });

  it.each([
    [['schedules', 'create', 'ticker']],
    [['schedules', 'create', '--cron', '* * * * *']],
    [['schedules', 'create', 'ticker', '--cron', '* * * * *', '--overlap', 'queue']],
    [['schedules', 'create', 'ticker', '--cron', '* * * * *', '--missed', 'all']],
    [['schedules', 'create', 'ticker', '--cron', '* * * * *', '-i', 'a=1', '--input', '-']],
    [['schedules', 'pause']],
    [['schedules', 'delete']],
  ])('%j is a usage error, and nothing is asked', async (args) => {
    expect((await finished(...args))[0]).toBe(2);
    expect(gateway.asked).toEqual([]);
  });
});
