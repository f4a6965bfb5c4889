import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { traceOf } from './played-trace.ts';

const ENDS: Record<string, string> = {
  'run.succeeded': 'success',
  'run.failed': 'error',
  'run.stopped': 'stopped',
};

const CONTROLS = ['nudges', 'pause', 'resume', 'limits', 'outcomes', 'approvals'];

/** A run as a gateway would know it: its stored lines, and what people read of it. */
export class PlayedRun extends EventEmitter {
  readonly lines: string[] = [];
  readonly fields: Record<string, unknown> = {};
  status = 'running';

  /** What `GET /runs/{run_id}/tree` answers. */
  tree: Record<string, unknown> = {};

  constructor(readonly run_id: string) {
    super();
    this.setMaxListeners(0);
  }

  append(type: string, data: Record<string, unknown> = {}): this {
    const seq = this.lines.length + 1;
    const at = new Date(Date.UTC(2026, 10, 21, 14, 2, 10) + seq * 1000).toISOString();
    this.lines.push(JSON.stringify({ seq, type, at, run_id: this.run_id, attempt: 1, data }));
    this.status = ENDS[type] ?? this.status;
    this.emit('line');
    return this;
  }

  get ended(): boolean {
    return Object.values(ENDS).includes(this.status);
  }

  get digest(): string {
    return this.digestAfter(this.lines.length);
  }

  digestAfter(seq: number): string {
    return this.lines
      .slice(0, seq)
      .reduce((digest, line) => createHash('sha256').update(digest).update(line).digest('hex'), '');
  }

  document(): Record<string, unknown> {
    const { run_id, status, digest } = this;
    return {
      run_id,
      status,
      seq: this.lines.length,
      digest,
      tenant_id: 'local',
      user_id: 'dev',
      agent_id: 'hello',
      agent_name: 'Hello',
      agent_revision: 1,
      channel: 'cli',
      waiting_on: null,
      input: { message: 'hi' },
      result: this.status === 'success' ? { reply: 'done' } : null,
      error: null,
      schema_warnings: [],
      created_at: '2026-11-21T14:02:10.000Z',
      started_at: '2026-11-21T14:02:11.000Z',
      completed_at: this.ended ? '2026-11-21T14:05:25.000Z' : null,
      duration_ms: this.ended ? 194_000 : null,
      attempt: 1,
      labels: {},
      usage: { turns: 2, input_tokens: 8211, output_tokens: 402, cost_usd: 0.0312 },
      limits: { max_turns: 12, max_cost_usd: '2.00', timeout_s: null, max_attempts: 3 },
      ...this.fields,
    };
  }
}

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export type Answer = (asked: Asked, res: ServerResponse) => void | Promise<void>;

export const frameOf = (line: string, eol = '\n'): string => {
  const event = JSON.parse(line) as { seq: number; type: string };
  return [`id: ${event.seq}`, `event: ${event.type}`, `data: ${line}`, '', ''].join(eol);
};

export const sse = (res: ServerResponse): ServerResponse =>
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' });

export const answerJson = (res: ServerResponse, status: number, value: unknown): void => {
  res.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
  res.end(JSON.stringify(value));
};

/** Answers like a gateway; what a path is to do differently is queued with `next`, one entry for one request. */
export class PlayedGateway {
  readonly runs = new Map<string, PlayedRun>();
  readonly asked: Asked[] = [];
  readonly key = 'rl_local_test_key';
  /** What `GET /approvals` answers. */
  approvals: unknown[] = [];
  #queued: { path: RegExp; answer: Answer }[] = [];
  #server: Server;
  #starts = new Map<string, string>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port = 0): Promise<PlayedGateway> {
    const server = createServer();
    const gateway = new PlayedGateway(server);
    server.on('request', (req, res) => void gateway.#receive(req, res));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request to a matching path is answered by this instead. */
  next(path: RegExp, ...answers: Answer[]): void {
    this.#queued.push(...answers.map((answer) => ({ path, answer })));
  }

  run(run_id: string): PlayedRun {
    const run = new PlayedRun(run_id);
    this.runs.set(run_id, run);
    return run;
  }

  askedFor(path: RegExp): Asked[] {
    return this.asked.filter((asked) => path.test(asked.path));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://gateway');
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += String(chunk);
    const asked = {
      method: req.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: req.headers,
      body,
    };
    this.asked.push(asked);
    const at = this.#queued.findIndex((entry) => entry.path.test(asked.path));
    const answer = at < 0 ? this.#usual : this.#queued.splice(at, 1)[0]?.answer;
    await answer?.call(this, asked, res);
  }

  #usual(asked: Asked, res: ServerResponse): void {
    const [, first = '', second = '', third = ''] = asked.path.split('/');
    if (first === 'healthz') return answerJson(res, 200, { status: 'ok' });
    if (first === 'readyz')
      return answerJson(res, 200, { status: 'ok', checks: { broker: 'ok', views: 'ok' } });
    if (asked.headers.authorization !== `Bearer ${this.key}`)
      return answerJson(res, 401, {
        code: 'unauthorized',
        title: 'Unauthorized',
        detail: 'no such key',
        status: 401,
      });
    if (first === 'me')
      return answerJson(res, 200, { tenant_id: 'local', user_id: 'dev', scopes: ['runs:start'] });
    if (first === 'agents' && asked.method === 'POST') return this.#start(asked, res);
    if (first === 'agents')
      return answerJson(res, 200, {
        agents: [{ agent_id: 'hello', name: 'Hello', kind: 'llm', revision: 1 }],
      });
    if (first === 'approvals') return answerJson(res, 200, { approvals: this.approvals, next_cursor: null });
    if (first === 'runs' && second === '') {
      const runs = [...this.runs.values()].reverse().map((run) => run.document());
      const from = Number(asked.query.get('cursor') ?? '0');
      const to = from + Number(asked.query.get('limit') ?? '20');
      return answerJson(res, 200, {
        runs: runs.slice(from, to),
        next_cursor: to < runs.length ? String(to) : null,
      });
    }
    const run = this.runs.get(second);
    if (!run)
      return answerJson(res, 404, { code: 'run_not_found', title: 'Not found', detail: `no run ${second}` });
    if (third === '') {
      const seq = Number(asked.query.get('at') ?? run.lines.length);
      return answerJson(res, 200, { ...run.document(), seq, digest: run.digestAfter(seq) });
    }
    if (third === 'trace') {
      res.writeHead(200, { 'content-type': 'application/gzip' });
      return void res.end(gzipSync(traceOf(run.run_id, run.lines)));
    }
    if (third === 'stop') return this.#stop(run, res);
    if (third === 'tree') return answerJson(res, 200, run.tree);
    if (CONTROLS.includes(third)) return this.#control(run, third, res);
    if (third === 'events') return events(run, asked, res);
    if (third === 'stream') return stream(run, asked, res);
    return answerJson(res, 404, { code: 'not_found', title: 'Not found', detail: asked.path });
  }

  #start(asked: Asked, res: ServerResponse): void {
    const key = String(asked.headers['idempotency-key']);
    const known = this.#starts.get(key);
    const run_id = known ?? `01JD${String(this.#starts.size + 1).padStart(22, '0')}`;
    this.#starts.set(key, run_id);
    if (!known) this.run(run_id).append('run.requested', { agent_id: 'hello' });
    if (known) res.setHeader('idempotency-replayed', 'true');
    answerJson(res, known ? 200 : 202, { run_id, status: 'queued', seq: 1 });
  }

  #stop(run: PlayedRun, res: ServerResponse): void {
    if (run.ended) return refuseEnded(run, res);
    run.status = 'stopping';
    answerJson(res, 202, { run_id: run.run_id, status: 'stopping' });
  }

  #control(run: PlayedRun, what: string, res: ServerResponse): void {
    if (run.ended) return refuseEnded(run, res);
    const { run_id, status, lines } = run.append(`played.${what}`);
    answerJson(
      res,
      202,
      what === 'nudges' ? { nudge_id: 'n1', seq: lines.length } : { run_id, status, seq: lines.length },
    );
  }
}

function refuseEnded(run: PlayedRun, res: ServerResponse): void {
  answerJson(res, 409, {
    code: 'run_already_ended',
    title: 'Conflict',
    detail: `the run is ${run.status}`,
  });
}

function events(run: PlayedRun, asked: Asked, res: ServerResponse): void {
  const after = Number(asked.query.get('after') ?? '0');
  const limit = Number(asked.query.get('limit') ?? '100');
  const lines = run.lines.slice(after, after + limit);
  if (asked.headers.accept === 'application/x-ndjson') {
    res.writeHead(200, { 'content-type': 'application/x-ndjson' });
    res.end(lines.map((line) => `${line}\n`).join(''));
    return;
  }
  const parsed = lines.map((line) => JSON.parse(line) as unknown);
  answerJson(res, 200, {
    events: parsed,
    next_after: after + lines.length,
    has_more: after + limit < run.lines.length,
  });
}

/** Replay, then live, then closed after the last event of an ended run. */
function stream(run: PlayedRun, asked: Asked, res: ServerResponse): void {
  let at = Number(asked.headers['last-event-id'] ?? asked.query.get('after') ?? '0');
  if (!Number.isInteger(at) || at > run.lines.length)
    return answerJson(res, 400, {
      code: 'invalid_cursor',
      title: 'Bad request',
      detail: 'the cursor is beyond the end',
    });
  if (run.ended && at === run.lines.length) return void res.writeHead(204).end();
  sse(res).write('retry: 20\n\n');
  const send = (): void => {
    while (at < run.lines.length) res.write(frameOf(run.lines[at++] ?? ''));
    if (run.ended) res.end();
  };
  run.on('line', send);
  res.on('close', () => run.off('line', send));
  send();
}
