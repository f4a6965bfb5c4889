import type { HttpTransport } from './http-transport.ts';
import { newIdempotencyKey } from './idempotency-key.ts';
import type {
  ChangeScheduleRequest,
  CreateScheduleRequest,
  Schedule,
  SchedulePage,
  ScheduleSummary,
} from './schedule-shapes.ts';

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Schedules: times at which runs start by themselves. */
export class ScheduleCalls {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** A repeat with the same key and request answers the same schedule, so retries never make two. */
  async create(
    request: CreateScheduleRequest,
    options: CallOptions & { idempotencyKey?: string | undefined } = {},
  ): Promise<Schedule> {
    const headers = { 'idempotency-key': options.idempotencyKey ?? newIdempotencyKey() };
    const { signal } = options;
    const call = { method: 'POST', path: 'schedules', body: request, headers, signal } as const;
    return (await this.#http.json<Schedule>(call)).value;
  }

  /** One page, those that were changed last at the end; with the scope `admin`, of the whole tenant. */
  async list(
    query: { agent_id?: string | undefined; limit?: number | undefined; cursor?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<SchedulePage> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) search.set(name, String(value));
    const call = { method: 'GET', path: 'schedules', query: search, signal: options.signal } as const;
    return (await this.#http.json<SchedulePage>(call)).value;
  }

  /** All of them, page after page. */
  async *each(
    query: { agent_id?: string | undefined } = {},
    options: CallOptions = {},
  ): AsyncGenerator<ScheduleSummary, void> {
    for (let cursor: string | undefined; ;) {
      const page = await this.list({ ...query, limit: 100, cursor }, options);
      yield* page.schedules;
      if (!page.next_cursor || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  async get(scheduleId: string, { signal }: CallOptions = {}): Promise<Schedule> {
    return (await this.#http.json<Schedule>({ method: 'GET', path: pathOf(scheduleId), signal })).value;
  }

  /** `{enabled: false}` pauses it, `{enabled: true}` resumes it. */
  async change(
    scheduleId: string,
    change: ChangeScheduleRequest,
    { signal }: CallOptions = {},
  ): Promise<Schedule> {
    const call = { method: 'PATCH', path: pathOf(scheduleId), body: change, signal } as const;
    return (await this.#http.json<Schedule>(call)).value;
  }

  /** The runs that it started stay. */
  async delete(scheduleId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#http.send({ method: 'DELETE', path: pathOf(scheduleId), signal });
  }
}

function pathOf(scheduleId: string): string {
  if (!/[^.]/.test(scheduleId)) throw new TypeError(`not a schedule id: ${JSON.stringify(scheduleId)}`);
  return `schedules/${encodeURIComponent(scheduleId)}`;
}
