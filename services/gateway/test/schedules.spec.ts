import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_INLINE_VALUE_BYTES, scheduleKey, scheduleStateKey, type Schedule } from '@runledger/wire';
import { Buckets } from '../src/broker/buckets.ts';
import { MOST_SCHEDULES_OF_A_TENANT } from '../src/schedules/schedule-keeper.ts';
import { type Answer, call, type Call, faults } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

const DAILY = { agent_id: 'ticker', cron: '30 6 * * *' };

describe('schedules over HTTP', () => {
  let gateway: RunningGateway;
  let buckets: Buckets;
  let ann: string;
  beforeAll(async () => {
    gateway = await startGateway();
    buckets = new Buckets(gateway.connection);
    ann = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const ask = (method: string, path: string, options: Call = {}): Promise<Answer> =>
    call(method, gateway.url + path, { key: ann, ...options });
  const make = async (body: object = {}, key = ann): Promise<string> => {
    const answer = await ask('POST', '/schedules', { key, body: { ...DAILY, ...body } });
    expect(answer).toMatchObject({ status: 201 });
    return String(answer.body.schedule_id);
  };
  const stored = async (id: string): Promise<Schedule> =>
    JSON.parse((await buckets.get('schedules', scheduleKey('acme', id)))?.text ?? 'null') as Schedule;
  const idsOf = (answer: Answer): string[] =>
    (answer.body.schedules as { schedule_id: string }[]).map(({ schedule_id }) => schedule_id);

  it('are made with what was sent and defaults for the rest, and answered with their next time', async () => {
    const zone = { cron: '30 6 * * mon-fri', time_zone: 'Europe/Berlin' };
    const answer = await ask('POST', '/schedules', {
      body: { ...DAILY, ...zone, input: { count: 3 }, labels: { team: 'blue' } },
    });
    const id = String(answer.body.schedule_id);
    expect(answer).toMatchObject({
      status: 201,
      body: {
        ...{ user_id: 'ann', agent_id: 'ticker', ...zone, input: { count: 3 }, labels: { team: 'blue' } },
        ...{ enabled: true, overlap: 'skip', missed: 'run_once', last: null, last_run_id: null },
      },
    });
    expect(answer.headers.get('location')).toBe(`/schedules/${id}`);
    const next = new Date(String(answer.body.next_due_at));
    expect(next.getTime()).toBeGreaterThan(Date.now());
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' });
    expect(local.format(next)).toBe('06:30');
    expect((await ask('GET', `/schedules/${id}`)).body).toEqual(answer.body);
    expect(await stored(id)).toMatchObject({ tenant_id: 'acme', since: answer.body.created_at });
  });

  it('tell what became of the last due time, and count the next one from it', async () => {
    const id = await make({ cron: '0 0 * * *' });
    const run_id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
    const state = { due_at: '2099-03-04T00:00:00.000Z', outcome: 'overlap_skipped', run_id };
    await buckets.put('schedules', scheduleStateKey('acme', id), JSON.stringify(state));
    expect((await ask('GET', `/schedules/${id}`)).body).toMatchObject({
      last: { due_at: state.due_at, outcome: 'overlap_skipped' },
      last_run_id: run_id,
      next_due_at: '2099-03-05T00:00:00.000Z',
    });
  });

  it('that are sent again under the same idempotency key are one', async () => {
    const headers = { 'idempotency-key': 'nightly' };
    const first = await ask('POST', '/schedules', { body: DAILY, headers });
    const again = await ask('POST', '/schedules', { body: { ...DAILY, time_zone: 'UTC' }, headers });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    const other = await ask('POST', '/schedules', { body: { ...DAILY, cron: '* * * * *' }, headers });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    const bob = await gateway.key({ user_id: 'bob' });
    const bobs = await ask('POST', '/schedules', { key: bob, body: DAILY, headers });
    expect(bobs.status).toBe(201);
    expect(bobs.body.schedule_id).not.toBe(first.body.schedule_id);
    const many = await Promise.all(
      Array.from({ length: 5 }, () =>
        ask('POST', '/schedules', { body: DAILY, headers: { 'idempotency-key': 'at once' } }),
      ),
    );
    // A space is no visible character.
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([400]));
    const raced = await Promise.all(
      Array.from({ length: 5 }, () =>
        ask('POST', '/schedules', { body: DAILY, headers: { 'idempotency-key': 'at-once' } }),
      ),
    );
    expect(raced.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 201]);
    expect(new Set(raced.map(({ body }) => body.schedule_id)).size).toBe(1);
  });

  it('are changed field by field; other times and a resumed schedule begin anew', async () => {
    const id = await make({ labels: { team: 'blue' } });
    const before = await stored(id);
    const changed = await ask('PATCH', `/schedules/${id}`, { body: { input: [1], overlap: 'allow' } });
    expect(changed).toMatchObject({
      status: 200,
      body: { input: [1], overlap: 'allow', cron: DAILY.cron, labels: { team: 'blue' } },
    });
    expect((await stored(id)).since).toBe(before.since);
    const paused = await ask('PATCH', `/schedules/${id}`, { body: { enabled: false } });
    expect(paused.body).toMatchObject({ enabled: false, next_due_at: null });
    expect((await stored(id)).since).toBe(before.since);
    const resumed = await ask('PATCH', `/schedules/${id}`, { body: { enabled: true } });
    expect(resumed.body.next_due_at).not.toBeNull();
    const since = (await stored(id)).since;
    expect(since > before.since).toBe(true);
    await ask('PATCH', `/schedules/${id}`, { body: { cron: '0 * * * *' } });
    expect((await stored(id)).since > since).toBe(true);
  });

  it('that are changed by many at once lose no change', async () => {
    const id = await make();
    const changes = [{ overlap: 'allow' }, { missed: 'skip' }, { input: 7 }, { labels: { a: 'b' } }];
    const answers = await Promise.all(changes.map((body) => ask('PATCH', `/schedules/${id}`, { body })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await ask('GET', `/schedules/${id}`)).body).toMatchObject(Object.assign({}, ...changes));
  });

  it('are named by their id, and an id of another form is said to be none', async () => {
    expect(await ask('GET', '/schedules/morning')).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/schedule_id', detail: expect.stringContaining('a schedule id') }] },
    });
  });

  it('that are deleted are gone, and their idempotency key makes a new one', async () => {
    const headers = { 'idempotency-key': 'short-lived' };
    const id = String((await ask('POST', '/schedules', { body: DAILY, headers })).body.schedule_id);
    expect((await ask('DELETE', `/schedules/${id}`)).status).toBe(204);
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { enabled: true }],
      ['DELETE', undefined],
    ] as const)
      expect(await ask(method, `/schedules/${id}`, { body })).toMatchObject({
        status: 404,
        body: { code: 'schedule_not_found' },
      });
    expect(idsOf(await ask('GET', '/schedules?limit=100'))).not.toContain(id);
    expect((await ask('POST', '/schedules', { body: DAILY, headers })).status).toBe(201);
  });

  it('are listed page by page, each once, without those that were deleted and without input', async () => {
    const carl = await gateway.key({ user_id: 'carl' });
    const made: string[] = [];
    for (let at = 0; at < 6; at += 1) made.push(await make({ input: 'mine' }, carl));
    for (const id of made.slice(1, 3)) await ask('DELETE', `/schedules/${id}`, { key: carl });
    const seen: string[] = [];
    for (let cursor: string | null = '0'; cursor !== null;) {
      const page = await ask('GET', `/schedules?limit=2&cursor=${cursor}`, { key: carl });
      expect(page.text).not.toContain('"input"');
      seen.push(...idsOf(page));
      cursor = page.body.next_cursor as string | null;
    }
    expect(seen).toEqual([made[0], ...made.slice(3)]);
    expect(idsOf(await ask('GET', '/schedules?agent_id=burst', { key: carl }))).toEqual([]);
  });

  it('of others are seen with the scopes that see their runs, and changed by admin only', async () => {
    const id = await make();
    const reader = await gateway.key({ user_id: 'bob', scopes: ['runs:start', 'runs:read:all'] });
    expect((await ask('GET', `/schedules/${id}`, { key: reader })).status).toBe(200);
    expect((await ask('DELETE', `/schedules/${id}`, { key: reader })).status).toBe(403);
    const admin = await gateway.key({ user_id: 'root', scopes: ['admin'] });
    expect(idsOf(await ask('GET', '/schedules?limit=100', { key: admin }))).toContain(id);
    const changed = await ask('PATCH', `/schedules/${id}`, { key: admin, body: { enabled: false } });
    expect(changed.body).toMatchObject({ user_id: 'ann', enabled: false });
    expect((await ask('DELETE', `/schedules/${id}`, { key: admin })).status).toBe(204);
  });

  it('cannot be given to another agent than that of the credential', async () => {
    const bound = await gateway.key({ agent_id: 'ticker' });
    const id = await make({}, bound);
    for (const answer of [
      await ask('POST', '/schedules', { key: bound, body: { ...DAILY, agent_id: 'burst' } }),
      await ask('PATCH', `/schedules/${id}`, { key: bound, body: { agent_id: 'burst' } }),
    ])
      expect({ status: answer.status, at: faults(answer) }).toEqual({ status: 403, at: ['body /agent_id'] });
  });

  it.each<[string, object, string]>([
    ['no cron expression', { cron: undefined }, '/cron'],
    ['four fields', { cron: '* * * *' }, '/cron'],
    ['a minute of 60', { cron: '60 * * * *' }, '/cron'],
    ['a time that never comes', { cron: '0 0 30 2 *' }, '/cron'],
    ['an endless expression', { cron: `0${',0'.repeat(200)} * * * *` }, '/cron'],
    ['a zone that does not exist', { time_zone: 'Mars/Olympus' }, '/time_zone'],
    ['a zone that is no text', { time_zone: 2 }, '/time_zone'],
    ['an overlap that does not exist', { overlap: 'queue' }, '/overlap'],
    ['a way with missed times that does not exist', { missed: 'all' }, '/missed'],
    ['no agent', { agent_id: undefined }, '/agent_id'],
    ['an agent id with a dot', { agent_id: 'a.b' }, '/agent_id'],
    ['an input above 64 KiB', { input: 'x'.repeat(MAX_INLINE_VALUE_BYTES) }, '/input'],
    ['the label that is its own', { labels: { schedule_id: 'x' } }, '/labels'],
    ['a label that is no text', { labels: { a: 1 } }, '/labels/a'],
    ['somebody else', { user_id: 'bob' }, '/user_id'],
    ['a state', { since: '2020-01-01T00:00:00Z' }, '/since'],
  ])('refuse %s by name', async (_what, body, pointer) => {
    const created = await ask('POST', '/schedules', { body: { ...DAILY, ...body } });
    expect({ status: created.status, at: faults(created) }).toEqual({ status: 400, at: [`body ${pointer}`] });
    if (Object.values(body).includes(undefined)) return;
    const id = await make();
    const changed = await ask('PATCH', `/schedules/${id}`, { body });
    expect({ status: changed.status, at: faults(changed) }).toEqual({ status: 400, at: [`body ${pointer}`] });
  });

  it('refuse an agent that is not there by name, and a change of nothing', async () => {
    const id = await make();
    for (const answer of [
      await ask('POST', '/schedules', { body: { ...DAILY, agent_id: 'nobody' } }),
      await ask('PATCH', `/schedules/${id}`, { body: { agent_id: 'nobody' } }),
    ])
      expect({ code: answer.body.code, at: faults(answer) }).toEqual({
        code: 'agent_not_found',
        at: ['body /agent_id'],
      });
    expect((await ask('PATCH', `/schedules/${id}`, { body: {} })).status).toBe(400);
    for (const bad of ['x', id.toLowerCase(), '*'])
      expect((await ask('GET', `/schedules/${bad}`)).status).toBe(400);
  });

  it('are a bounded number in a tenant; a deleted one makes room', async () => {
    await gateway.connection.js.publish(
      '$KV.agents.crowd.ticker',
      JSON.stringify({ agent_id: 'ticker', name: 'Ticker', kind: 'builtin', builtin: 'ticker' }),
    );
    const key = await gateway.key({ tenant_id: 'crowd' });
    const id = await make({}, key);
    const text = (await buckets.get('schedules', scheduleKey('crowd', id)))?.text ?? '';
    const others = Array.from(
      { length: MOST_SCHEDULES_OF_A_TENANT - 1 },
      (_, at) => `01ARZ3NDEKTSV4RRFFQ6${String(at).padStart(6, '0')}`,
    );
    while (others.length > 0)
      await Promise.all(
        others.splice(0, 50).map((other) => buckets.put('schedules', scheduleKey('crowd', other), text)),
      );
    expect(await ask('POST', '/schedules', { key, body: DAILY })).toMatchObject({
      status: 409,
      body: { code: 'too_many_schedules' },
    });
    expect((await ask('DELETE', `/schedules/${id}`, { key })).status).toBe(204);
    expect((await ask('POST', '/schedules', { key, body: DAILY })).status).toBe(201);
  });
});
