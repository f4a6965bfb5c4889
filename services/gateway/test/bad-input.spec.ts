import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { call, type Call, faults } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

const START = '/agents/run-code/start';
const ULID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const deep = (levels: number): string =>
  `{"agent_id":"ticker","input":${'['.repeat(levels)}${']'.repeat(levels)}}`;
const agent = (changes: object): object => ({
  agent_id: 'inline',
  name: 'Inline',
  description: '',
  kind: 'builtin',
  builtin: 'ticker',
  ...changes,
});
const start = (body: object): Call => ({ body: { agent_id: 'ticker', ...body } });

interface Row {
  what: string;
  method?: string;
  path?: string;
  call: Call;
  status: number;
  code: string;
  at: string[];
}

const bodies: Row[] = [
  {
    what: 'an unknown field',
    call: start({ inptu: 1 }),
    status: 400,
    code: 'invalid_request',
    at: ['body /inptu'],
  },
  {
    what: 'two unknown fields',
    call: start({ a: 1, 'b/c': 2 }),
    status: 400,
    code: 'invalid_request',
    at: ['body /a', 'body /b~1c'],
  },
  {
    what: 'tenant in the body',
    call: start({ tenant_id: 'other' }),
    status: 400,
    code: 'invalid_request',
    at: ['body /tenant_id'],
  },
  { what: 'no agent', call: { body: {} }, status: 400, code: 'invalid_request', at: ['body /agent_id'] },
  {
    what: 'agent_id and agent',
    call: start({ agent: agent({}) }),
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'a body that is an array',
    call: { body: [] },
    status: 400,
    code: 'invalid_request',
    at: ['body '],
  },
  { what: 'a body that is null', call: { raw: 'null' }, status: 400, code: 'invalid_request', at: ['body '] },
  {
    what: 'agent_id of a wrong type',
    call: { body: { agent_id: 7 } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'agent_id with a dot',
    call: { body: { agent_id: 'a.b' } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'agent_id with a star',
    call: { body: { agent_id: '*' } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'agent_id with >',
    call: { body: { agent_id: '>' } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'agent_id with CR LF',
    call: { body: { agent_id: 'a\r\nNats-Rollup: all' } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'agent_id of 300 characters',
    call: { body: { agent_id: 'a'.repeat(300) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent_id'],
  },
  {
    what: 'env key of a wrong form',
    call: start({ env: { '1A': 'x' } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /env/1A'],
  },
  {
    what: 'env value of a wrong type',
    call: start({ env: { A: 1 } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /env/A'],
  },
  {
    what: 'too much env',
    call: start({ env: { A: 'x'.repeat(32_000), B: 'x'.repeat(32_000), C: 'x'.repeat(3_000) } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /env'],
  },
  {
    what: 'unknown limit',
    call: start({ limits: { max_money: 1 } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /limits/max_money'],
  },
  {
    what: 'limits out of range',
    call: start({ limits: { max_turns: 0, timeout_s: 1.5, max_cost_usd: -1 } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /limits/max_turns', 'body /limits/max_cost_usd', 'body /limits/timeout_s'],
  },
  {
    what: '33 labels',
    call: start({ labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }),
    status: 400,
    code: 'invalid_request',
    at: ['body /labels'],
  },
  {
    what: 'a long label value',
    call: start({ labels: { k: 'v'.repeat(256) } }),
    status: 400,
    code: 'invalid_request',
    at: ['body /labels/k'],
  },
  {
    what: 'a long label key',
    call: start({ labels: { ['k'.repeat(64)]: 'v' } }),
    status: 400,
    code: 'invalid_request',
    at: [`body /labels/${'k'.repeat(64)}`],
  },
  {
    what: 'priority out of range',
    call: start({ priority: 11 }),
    status: 400,
    code: 'invalid_request',
    at: ['body /priority'],
  },
  {
    what: 'priority as text',
    call: start({ priority: '1' }),
    status: 400,
    code: 'invalid_request',
    at: ['body /priority'],
  },
  {
    what: 'workspace_id of a wrong form',
    call: start({ workspace_id: 'a.b' }),
    status: 400,
    code: 'invalid_request',
    at: ['body /workspace_id'],
  },
  {
    what: "someone else's workspace",
    call: start({ workspace_id: 'office' }),
    status: 403,
    code: 'forbidden',
    at: ['body /workspace_id'],
  },
  {
    what: 'trace as text',
    call: start({ trace: 'yes' }),
    status: 400,
    code: 'invalid_request',
    at: ['body /trace'],
  },
  {
    what: 'an unknown agent',
    call: { body: { agent_id: 'nobody' } },
    status: 404,
    code: 'agent_not_found',
    at: [],
  },
  {
    what: 'an inline agent without what its kind needs',
    call: { body: { agent: agent({ kind: 'code' }) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent/code'],
  },
  {
    what: 'an inline agent with an unknown field',
    call: { body: { agent: agent({ modle: 'x' }) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent/modle'],
  },
  {
    what: 'an inline agent of an unknown kind',
    call: { body: { agent: agent({ kind: 'magic' }) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent/kind'],
  },
  {
    what: 'an inline tool without its url',
    call: { body: { agent: agent({ tools: [{ name: 't', kind: 'http' }] }) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent/tools/0/url'],
  },
  {
    what: 'an inline agent above 64 KiB',
    call: { body: { agent: agent({ kind: 'code', code: 'x'.repeat(70_000) }) } },
    status: 400,
    code: 'invalid_request',
    at: ['body /agent'],
  },
  {
    what: 'input nested too deep',
    call: { raw: deep(100) },
    status: 400,
    code: 'invalid_request',
    at: ['body '],
  },
  {
    what: 'input nested 200,000 levels',
    call: { raw: deep(200_000) },
    status: 400,
    code: 'invalid_request',
    at: ['body '],
  },
  { what: 'broken JSON', call: { raw: '{"agent_id":' }, status: 400, code: 'invalid_json', at: [] },
  {
    what: 'an empty JSON body',
    call: { raw: '', headers: { 'content-type': 'application/json', 'content-length': '0' } },
    status: 400,
    code: 'invalid_json',
    at: [],
  },
  {
    what: '__proto__ in the body',
    call: { raw: '{"agent_id":"ticker","input":{"__proto__":{"admin":true}}}' },
    status: 400,
    code: 'invalid_json',
    at: [],
  },
  {
    what: 'a body of 1 MiB + 1',
    call: { raw: `{"agent_id":"ticker","input":"${'x'.repeat(1024 * 1024 - 31)}"}` },
    status: 413,
    code: 'body_too_large',
    at: [],
  },
  {
    what: 'text instead of JSON',
    call: { raw: 'agent_id=ticker', headers: { 'content-type': 'text/plain' } },
    status: 415,
    code: 'unsupported_media_type',
    at: [],
  },
  {
    what: 'a form',
    call: { raw: 'agent_id=ticker', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    status: 415,
    code: 'unsupported_media_type',
    at: [],
  },
  {
    what: 'an idempotency key with a space',
    call: { ...start({}), headers: { 'idempotency-key': 'a b' } },
    status: 400,
    code: 'invalid_request',
    at: ['header /idempotency-key'],
  },
  {
    what: 'an idempotency key of 256 characters',
    call: { ...start({}), headers: { 'idempotency-key': 'k'.repeat(256) } },
    status: 400,
    code: 'invalid_request',
    at: ['header /idempotency-key'],
  },
  {
    what: 'an empty idempotency key',
    call: { ...start({}), headers: { 'idempotency-key': '' } },
    status: 400,
    code: 'invalid_request',
    at: ['header /idempotency-key'],
  },
  {
    what: 'a header of the broker',
    call: { ...start({}), headers: { 'Nats-Rollup': 'all' } },
    status: 400,
    code: 'invalid_request',
    at: ['header /nats-rollup'],
  },
  {
    what: 'a header of the broker in capitals',
    call: { ...start({}), headers: { 'NATS-EXPECTED-LAST-SEQUENCE': '0' } },
    status: 400,
    code: 'invalid_request',
    at: ['header /nats-expected-last-sequence'],
  },
  {
    what: 'a stop of an unknown mode',
    path: `/runs/${ULID}/stop`,
    call: { body: { mode: 'now' } },
    status: 400,
    code: 'invalid_request',
    at: ['body /mode'],
  },
  {
    what: 'a stop with an unknown field',
    path: `/runs/${ULID}/stop`,
    call: { body: { force: true } },
    status: 400,
    code: 'invalid_request',
    at: ['body /force'],
  },
  {
    what: 'a stop of no run',
    path: `/runs/${ULID}/stop`,
    call: { body: {} },
    status: 404,
    code: 'run_not_found',
    at: [],
  },
];

const reads: Row[] = [
  {
    what: 'a run id with a dot',
    path: '/runs/a.b',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /run_id'],
  },
  {
    what: 'a run id that is a star',
    path: '/runs/*',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /run_id'],
  },
  {
    what: 'a run id that is >',
    path: '/runs/%3E',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /run_id'],
  },
  {
    what: 'a run id with CR LF',
    path: '/runs/a%0D%0Ab',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /run_id'],
  },
  {
    what: 'a run id in lower case',
    path: `/runs/${ULID.toLowerCase()}`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /run_id'],
  },
  {
    what: 'a run id of 300 characters',
    path: `/runs/${'A'.repeat(300)}`,
    call: {},
    status: 414,
    code: 'uri_too_long',
    at: [],
  },
  {
    what: 'a broken escape',
    path: '/runs/%E0%A4%A',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path '],
  },
  { what: 'an unknown run', path: `/runs/${ULID}`, call: {}, status: 404, code: 'run_not_found', at: [] },
  {
    what: 'an unknown query field',
    path: `/runs/${ULID}?att=1`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /att'],
  },
  {
    what: 'at that is no number',
    path: `/runs/${ULID}?at=x`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /at'],
  },
  {
    what: 'at of 0',
    path: `/runs/${ULID}?at=0`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /at'],
  },
  {
    what: 'an unknown status',
    path: '/runs?status=queued,lost',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /status'],
  },
  {
    what: 'a limit above 100',
    path: '/runs?limit=101',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /limit'],
  },
  {
    what: 'a field given twice',
    path: '/runs?limit=1&limit=2',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /limit'],
  },
  {
    what: 'a cursor of another list',
    path: '/runs?cursor=nonsense',
    call: {},
    status: 400,
    code: 'invalid_cursor',
    at: ['query /cursor'],
  },
  {
    what: 'a label without a value',
    path: '/runs?label=team',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /label'],
  },
  {
    what: 'min_seq of a wrong form',
    path: '/runs?min_seq=7',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /min_seq'],
  },
  {
    what: 'a page above 1000',
    path: `/runs/${ULID}/events?limit=1001`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /limit'],
  },
  {
    what: 'events after no number',
    path: `/runs/${ULID}/events?after=-1`,
    call: {},
    status: 400,
    code: 'invalid_cursor',
    at: ['query /after'],
  },
  {
    what: 'a stream after no number',
    path: `/runs/${ULID}/stream?after=1e3`,
    call: {},
    status: 400,
    code: 'invalid_cursor',
    at: ['query /after'],
  },
  {
    what: 'a Last-Event-ID that is no number',
    path: `/runs/${ULID}/stream`,
    call: { headers: { 'last-event-id': 'abc' } },
    status: 400,
    code: 'invalid_cursor',
    at: ['header /last-event-id'],
  },
  {
    what: 'types of a wrong form',
    path: `/runs/${ULID}/stream?types=A%20B`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['query /types'],
  },
  {
    what: 'a blob that is no hash',
    path: `/runs/${ULID}/blobs/xyz`,
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /sha256'],
  },
  {
    what: 'an agent id with a dot',
    path: '/agents/a.b',
    call: {},
    status: 400,
    code: 'invalid_request',
    at: ['path /agent_id'],
  },
  {
    what: 'an unknown agent',
    path: '/agents/nobody',
    call: {},
    status: 404,
    code: 'agent_not_found',
    at: [],
  },
  { what: 'an unknown path', path: '/nowhere', call: {}, status: 404, code: 'not_found', at: [] },
  { what: 'a wrong method', method: 'DELETE', path: START, call: {}, status: 404, code: 'not_found', at: [] },
].map((row) => ({ method: 'GET', ...row }));

describe('a request that is not valid is refused by name, and nothing is written', () => {
  let gateway: RunningGateway;
  let key: string;
  let before: number;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());
  beforeEach(async () => {
    before = await gateway.stored();
  });

  it.each([...bodies, ...reads])(
    '$what: $status $code',
    async ({ method = 'POST', path = START, call: sent, status, code, at }) => {
      const answer = await call(method, gateway.url + path, { key, ...sent });
      expect({ status: answer.status, code: answer.body.code, at: faults(answer) }).toEqual({
        status,
        code,
        at,
      });
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
      expect(Object.keys(answer.body).sort()).toEqual([
        'code',
        'detail',
        'errors',
        'instance',
        'request_id',
        'status',
        'title',
        'type',
      ]);
      expect(answer.text).not.toMatch(/node_modules|\.ts:|at \w+ \(/);
      expect(await gateway.stored()).toBe(before);
    },
  );

  it.each([
    ['headers of 20 KiB', `GET /me HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a line break inside a header name', 'GET /me HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n', 400],
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    [
      'two lengths',
      `POST ${START} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      400,
    ],
    [
      'a length and chunks',
      `POST ${START} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
      400,
    ],
  ])('%s', async (_what, bytes, status) => {
    const answer = await exchange(gateway.url, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain('application/problem+json');
    expect(await gateway.stored()).toBe(before);
  });
});

function exchange(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (received += chunk));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}
