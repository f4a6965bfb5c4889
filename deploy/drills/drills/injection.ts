import { connect } from 'node:net';
import { type Cell, startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { ask, type Ask } from '../probe.ts';
import { allEnded, checkLog, checkSuccess } from '../verdict.ts';

/** What a subject, a header or a key must never take from outside. */
const IDS = [
  'a.b',
  '*',
  '>',
  'runs.>',
  'a b',
  'a\r\nNats-Rollup: all',
  '..',
  '.',
  '$JS',
  'ü',
  '\u0000',
  'a'.repeat(300),
  '',
];
const BROKER_HEADERS = [
  'Nats-Rollup',
  'Nats-Expected-Last-Subject-Sequence',
  'Nats-Msg-Id',
  'Nats-TTL',
  'Nats-Schedule',
  'nats-batch-id',
];
const START = '/agents/run-code/start';
const BODY = { agent_id: 'burst', input: { count: 1, bytes: 10 } };

/** Row 33: nothing that a client writes becomes a part of a subject or a header at the broker. */
export const injection: Drill = {
  name: 'injection',
  rows: '33',
  title: 'ids with dots, wildcards, line ends and 300 characters; headers beginning Nats-',
  async run({ cleanup, figures, say }) {
    const cell = await startCell(cleanup);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    const runId = await load.start(BODY, true);
    await allEnded(figures, audit, 60_000);
    await load.observersDone(30_000);
    const before = await everySubject(cell);
    const calls = [...inBodies(), ...inPaths(runId), ...inHeaders(runId)];
    const refused: string[] = [];
    const accepted: string[] = [];
    for (const call of calls) {
      const { status, text } = await ask(cell, call);
      const what = `${status} ${call.method ?? 'GET'} ${call.path.slice(0, 60)} ${JSON.stringify(call.body ?? call.headers ?? '').slice(0, 60)}`;
      if (status >= 400 && status < 500) refused.push(what);
      else accepted.push(`${what} ${text.slice(0, 100)}`);
    }
    const raw = await Promise.all(rawRequests(runId, await cell.key()).map((text) => rawStatus(cell, text)));
    const after = await everySubject(cell);
    say(`${calls.length} requests and ${raw.length} raw ones were sent`);
    figures.exactly('requests refused with 4xx', refused.length, calls.length);
    figures.none('requests not refused', accepted);
    figures.exactly(
      'raw requests refused with 4xx',
      raw.filter((status) => status >= 400 && status < 500).length,
      raw.length,
    );
    figures.none(
      'subjects that came or changed',
      [...after].filter(([name, count]) => before.get(name) !== count).map(([name]) => name),
    );
    const inner = await load.start({
      ...BODY,
      agent_id: 'hello',
      input: { message: '\r\nNats-Rollup: all\r\n> * .' },
    });
    await allEnded(figures, audit, 60_000);
    figures.isTrue('the same text is harmless as an input', audit.runs.get(inner)?.end === 'run.succeeded');
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
  },
};

function inBodies(): Ask[] {
  const start = (body: object): Ask => ({ method: 'POST', path: START, body });
  return [
    ...IDS.map((id) => start({ ...BODY, agent_id: id })),
    ...IDS.map((id) => start({ ...BODY, workspace_id: id })),
    ...IDS.map((id) => start({ ...BODY, tenant_id: id })),
    ...IDS.filter((id) => !/^[A-Za-z0-9._/-]{1,63}$/.test(id)).map((id) =>
      start({ ...BODY, labels: { [id]: 'x' } }),
    ),
    ...IDS.map((id) => start({ ...BODY, env: { [id]: 'x' } })),
    start({ ...BODY, constructor: { prototype: 1 } }),
    { method: 'POST', path: START, body: '{"agent_id":"burst","__proto__":{"x":1}}' },
  ];
}

function inPaths(runId: string): Ask[] {
  // What a URL resolves away, or takes for the list of runs, is no id.
  const ids = IDS.filter((id) => !['', '.', '..'].includes(id)).map(encodeURIComponent);
  return ids.flatMap((id): Ask[] => [
    { path: `/runs/${id}` },
    { path: `/runs/${id}/events` },
    { path: `/runs/${id}/stream` },
    { method: 'POST', path: `/runs/${id}/stop`, body: {} },
    { path: `/runs/${runId}/blobs/${id}` },
    { path: `/runs/${runId}/stream?after=${id}` },
  ]);
}

function inHeaders(runId: string): Ask[] {
  return [
    ...BROKER_HEADERS.flatMap((name): Ask[] => [
      { method: 'POST', path: START, body: BODY, headers: { [name]: '1' } },
      { path: `/runs/${runId}`, headers: { [name]: 'all' } },
    ]),
    ...['a b', 'x'.repeat(256), 'ü'].map((key): Ask => ({
      method: 'POST',
      path: START,
      body: BODY,
      headers: { 'idempotency-key': key },
    })),
    ...['x', '-1', '1.5', '99999999999999999999', '*'].map((id): Ask => ({
      path: `/runs/${runId}/stream`,
      headers: { 'last-event-id': id },
    })),
  ];
}

/** What no HTTP client would send. */
function rawRequests(runId: string, key: string): string[] {
  const head = `Host: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n`;
  return [
    `GET /runs/${runId}\r\nNats-Rollup:all HTTP/1.1\r\n${head}\r\n`,
    `GET /runs/a.b>* HTTP/1.1\r\n${head}\r\n`,
    `GET /runs/%zz HTTP/1.1\r\n${head}\r\n`,
    `GET /runs/${runId} HTTP/1.1\r\n${head}NATS-ROLLUP: all\r\n\r\n`,
    `GET /runs/${runId} HTTP/1.1\r\n${head}Bad Header: x\r\n\r\n`,
    `GET /runs/%0d%0aNats-Rollup:%20all HTTP/1.1\r\n${head}\r\n`,
  ];
}

function rawStatus(cell: Cell, request: string): Promise<number> {
  const { hostname, port } = new URL(cell.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(request));
    let text = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer to a raw request')));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)));
  });
}

/** How many messages every subject of every stream has. */
async function everySubject(cell: Cell): Promise<Map<string, number>> {
  const jsm = await cell.broker.jsm();
  const found = new Map<string, number>();
  for await (const { config } of jsm.streams.list()) {
    const { state } = await jsm.streams.info(config.name, { subjects_filter: '>' });
    for (const [subject, count] of Object.entries(state.subjects ?? {})) found.set(subject, count);
  }
  return found;
}
