import { setTimeout as pause } from 'node:timers/promises';
import { IdleConnections } from '../idle-connections.ts';
import type { SetUp } from '../figure.ts';
import type { Measure } from '../measure.ts';
import { startRawSide } from '../raw/raw-side.ts';
import { startSystem } from '../system/system.ts';
import { cpuMs, residentMib } from '../system/usage.ts';

const OBSERVERS = 10_000;
/** Before memory is read, and the time over which heartbeats are watched: two turns. */
const SETTLE_MS = 5_000;
const WATCH_MS = 30_000;
const PAUSE_MS = 300_000;
const WORK = { stream: 'WORK', durable: 'agent-executor-work-default' };

export const idleObservers: Measure = {
  name: 'idle-observers',
  method: `${OBSERVERS} SSE readers of one run that does nothing: resident memory of a fresh process that serves them, with them less without, and the processor time that it uses more over ${WATCH_MS / 1_000} s. Raw: a bare node:http SSE server, which sends no heartbeats.`,
  async run({ system }) {
    const product = await ofProduct(system.setup);
    const raw = await ofRaw();
    return {
      figures: [
        {
          label: 'memory per observer',
          unit: 'KiB',
          better: 'lower',
          product: product.kibEach,
          raw: raw.kibEach,
          target: { value: 20 },
        },
        {
          label: 'heartbeats',
          unit: '% of a core',
          better: 'lower',
          product: product.percent,
          raw: raw.percent,
          target: { value: 10 },
        },
      ],
    };
  },
};

interface Idle {
  kibEach: number;
  percent: number;
}

async function ofProduct(setup: SetUp): Promise<Idle> {
  const system = await startSystem(setup);
  try {
    const jsm = await system.broker.jsm();
    await jsm.consumers.pause(WORK.stream, WORK.durable, new Date(Date.now() + PAUSE_MS));
    const { run_id } = await system.api.start('burst', { count: 1, bytes: 10 });
    const url = new URL(`/runs/${run_id}/stream`, system.url);
    return await idleAt(system.pids()[0] ?? 0, url, [`Authorization: ${system.api.authorization}`]);
  } finally {
    await system.stop();
  }
}

async function ofRaw(): Promise<Idle> {
  const raw = await startRawSide(1);
  try {
    const [worker] = raw.workers;
    if (!worker) throw new Error('there is no raw process');
    return await idleAt(worker.pid, new URL(await worker.text({ do: 'listen' })), []);
  } finally {
    await raw.stop();
  }
}

async function idleAt(pid: number, url: URL, headers: readonly string[]): Promise<Idle> {
  const connections = new IdleConnections();
  try {
    // What the first connections make once is not theirs.
    await connections.open(100, url, headers);
    await pause(SETTLE_MS);
    const [mibBefore, percentBefore] = [await residentMib(pid), await percentOf(pid)];
    await connections.open(100 + OBSERVERS, url, headers);
    await pause(SETTLE_MS);
    const percent = await percentOf(pid);
    const mib = await residentMib(pid);
    return { kibEach: ((mib - mibBefore) * 1024) / OBSERVERS, percent: Math.max(0, percent - percentBefore) };
  } finally {
    connections.close();
  }
}

async function percentOf(pid: number): Promise<number> {
  const [from, begun] = [await cpuMs([pid]), performance.now()];
  await pause(WATCH_MS);
  return (((await cpuMs([pid])) - from) / (performance.now() - begun)) * 100;
}
