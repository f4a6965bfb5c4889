import { setTimeout as pause } from 'node:timers/promises';
import { HttpCalls, type OpenStream } from '../http-calls.ts';
import { inTurn, type Bench, type Measure } from '../measure.ts';
import type { Emission } from '../raw/sse-server.ts';
import { median, percentile } from '../spread.ts';
import type { System } from '../system/system.ts';
import { cpuMs } from '../system/usage.ts';

const OBSERVERS = 1_000;
/** Opened at once. */
const WAVE = 50;
/** The paced run: an event every so many ms. With so many observers a faster one would measure their own side. */
const EVERY_MS = 50;
/** The run without a pause. */
const FLAT_OUT = { count: 3_000, bytes: 100 };
/** Events that share a write of the bare server: about what one commit of burst holds. */
const BATCH = 256;
const PAUSE_MS = 60_000;
const WORK = { stream: 'WORK', durable: 'agent-executor-work-default' };

interface Paced {
  lags: number[];
  missed: number;
}

interface Flat {
  framesPerSecond: number;
  /** Of the process that serves them; that of the product may do more than serve. */
  cpuMsPerThousand: number;
  missed: number;
}

export const observers: Measure = {
  name: 'observers',
  method: `${OBSERVERS} SSE readers of one live run. Lag: from the event's stamp to the reader, an event every ${EVERY_MS} ms. Frames per second: burst without a pause. Raw: a bare node:http SSE server, same frames.`,
  async run(bench) {
    const paced = await inTurn(
      bench.rounds,
      () => pacedProduct(bench),
      () => pacedRaw(bench),
    );
    const flat = await inTurn(
      bench.rounds,
      () => flatProduct(bench),
      () => flatRaw(bench),
    );
    const lag = (rounds: Paced[], p: number): number => median(rounds.map(({ lags }) => percentile(lags, p)));
    const missed = [...paced.product, ...flat.product].reduce((sum, round) => sum + round.missed, 0);
    return {
      figures: [
        {
          label: 'lag p50',
          unit: 'ms',
          better: 'lower',
          product: lag(paced.product, 0.5),
          raw: lag(paced.raw, 0.5),
        },
        {
          label: 'lag p99',
          unit: 'ms',
          better: 'lower',
          product: lag(paced.product, 0.99),
          raw: lag(paced.raw, 0.99),
          target: { ratio: 2 },
        },
        {
          label: 'frames per second, flat out',
          unit: '/s',
          better: 'higher',
          product: median(flat.product.map(({ framesPerSecond }) => framesPerSecond)),
          raw: median(flat.raw.map(({ framesPerSecond }) => framesPerSecond)),
          target: { ratio: 0.6 },
        },
        {
          label: 'processor time per 1,000 frames, flat out',
          unit: 'ms',
          better: 'lower',
          product: median(flat.product.map(({ cpuMsPerThousand }) => cpuMsPerThousand)),
          raw: median(flat.raw.map(({ cpuMsPerThousand }) => cpuMsPerThousand)),
        },
      ],
      notes: [
        'stamps have whole milliseconds, on both sides, so that lags are up to 1 ms too long',
        ...(missed > 0 ? [`${missed} frames never came: readers were cut`] : []),
      ],
    };
  },
};

async function pacedProduct({ system, seconds, ends }: Bench): Promise<Paced> {
  const count = Math.round((seconds * 1_000) / EVERY_MS);
  const { run_id, go } = await held(system, 'ticker', { count, every_ms: EVERY_MS });
  const paced = await lagsOf(system.api, `/runs/${run_id}/stream`, go);
  await ends.of(run_id);
  return paced;
}

/** A run that waits on the queue until everybody is there. */
async function held(
  { api, broker }: System,
  agent: string,
  input: object,
): Promise<{ run_id: string; go: () => Promise<unknown> }> {
  const jsm = await broker.jsm();
  await jsm.consumers.pause(WORK.stream, WORK.durable, new Date(Date.now() + PAUSE_MS));
  const { run_id } = await api.start(agent, input);
  return { run_id, go: () => jsm.consumers.resume(WORK.stream, WORK.durable) };
}

async function pacedRaw(bench: Bench): Promise<Paced> {
  const count = Math.round((bench.seconds * 1_000) / EVERY_MS);
  return withBareServer(bench, (api, emit) =>
    lagsOf(api, '/', () => emit({ count, batch: 1, everyMs: EVERY_MS, bytes: 60 })),
  );
}

/** Lags of everything that came once all readers were there. */
async function lagsOf(api: HttpCalls, path: string, go: () => Promise<unknown>): Promise<Paced> {
  const stamps = new Map<number, number>();
  const lags: number[] = [];
  let [complete, last, frames] = [false, 0, 0];
  const streams = await openAll(api, path, (seq, _type, frame) => {
    last = Math.max(last, seq);
    if (!complete) return;
    let stamp = stamps.get(seq);
    if (stamp === undefined) stamps.set(seq, (stamp = stampIn(frame)));
    lags.push(performance.timeOrigin + performance.now() - stamp);
    frames += 1;
  });
  await pause(200);
  const first = last + 1;
  complete = true;
  await Promise.all([go(), ...streams.map(({ ended }) => ended)]);
  const expected = (last - first + 1) * OBSERVERS;
  return { lags, missed: Math.max(0, expected - frames) };
}

async function flatProduct({ system, ends }: Bench): Promise<Flat> {
  const { run_id, go } = await held(system, 'burst', FLAT_OUT);
  const flat = await framesOf(system.api, `/runs/${run_id}/stream`, system.pids()[0] ?? 0, go);
  await ends.of(run_id);
  return flat;
}

async function flatRaw(bench: Bench): Promise<Flat> {
  return withBareServer(bench, (api, emit) =>
    framesOf(api, '/', bench.raw.workers[0]?.pid ?? 0, () => emit({ ...FLAT_OUT, batch: BATCH, everyMs: 0 })),
  );
}

/** Frames per second over all readers, from the first live frame to the last. */
async function framesOf(
  api: HttpCalls,
  path: string,
  pid: number,
  go: () => Promise<unknown>,
): Promise<Flat> {
  let [frames, from, until] = [0, Number.NaN, 0];
  const streams = await openAll(api, path, (_seq, type) => {
    if (type !== 'log.written') return;
    until = performance.now();
    if (Number.isNaN(from)) from = until;
    frames += 1;
  });
  await pause(300);
  const cpuBefore = await cpuMs([pid]);
  await Promise.all([go(), ...streams.map(({ ended }) => ended)]);
  return {
    framesPerSecond: frames / ((until - from) / 1_000),
    cpuMsPerThousand: ((await cpuMs([pid])) - cpuBefore) / (frames / 1_000),
    missed: Math.max(0, FLAT_OUT.count * OBSERVERS - frames),
  };
}

/** In waves: that many connections at one moment are another measure. */
async function openAll(
  api: HttpCalls,
  path: string,
  onFrame: Parameters<HttpCalls['stream']>[1],
): Promise<OpenStream[]> {
  const streams: OpenStream[] = [];
  while (streams.length < OBSERVERS) {
    const wave = Array.from({ length: WAVE }, () => api.stream(path, onFrame));
    await Promise.all(wave.map(({ opened }) => opened));
    streams.push(...wave);
  }
  return streams;
}

async function withBareServer<T>(
  { raw }: Bench,
  use: (api: HttpCalls, emit: (emission: Emission) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const [worker] = raw.workers;
  if (!worker) throw new Error('there is no raw process');
  const api = new HttpCalls(await worker.text({ do: 'listen' }));
  return use(api, (emission) => worker.number({ do: 'emit', emission }));
}

function stampIn(frame: string): number {
  const at = /"at":"([^"]+)"/.exec(frame)?.[1];
  return Date.parse(at ?? '');
}
