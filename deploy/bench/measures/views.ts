import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { JetStreamRunLog } from '@runledger/run-log';
import { temporaryFolder } from '@runledger/testkit';
import { decodeEvent } from '@runledger/wire';
import type { Bench, Measure } from '../measure.ts';
import { RawWorker } from '../raw/raw-side.ts';
import { startMeasuredBroker, type MeasuredBroker } from '../system/measured-broker.ts';
import { ROOT } from '../system/program.ts';
import { median, percentile } from '../spread.ts';
import { keepInFlight } from './runs.ts';

/** Runs of W10 in the log that is rebuilt. */
const RUNS = 5_000;
const SAMPLE_EVERY_MS = 100;
const LOOK_EVERY_MS = 2;

export const views: Measure = {
  name: 'views',
  method: `Lag: from a run's end to its view in SQLite, under the load of "runs". Rebuild: rebuild-views of a log of ${RUNS} runs of W10. Raw: reading the same log by batch direct get and parsing each line.`,
  async run(bench) {
    const lags = await lagUnderLoad(bench);
    const rebuilt = await rebuildRates(bench);
    return {
      figures: [
        { label: 'lag p50', unit: 'ms', better: 'lower', product: percentile(lags, 0.5) },
        {
          label: 'lag p99',
          unit: 'ms',
          better: 'lower',
          product: percentile(lags, 0.99),
          target: { value: 1_000 },
        },
        {
          label: 'rebuild, events per second',
          unit: '/s',
          better: 'higher',
          product: median(rebuilt.product),
          raw: median(rebuilt.raw),
          target: { value: 50_000 },
        },
      ],
      notes: [`${lags.length} ends were sampled`],
    };
  },
};

async function lagUnderLoad(bench: Bench): Promise<number[]> {
  const { system, ends, seconds, rounds } = bench;
  const db = new DatabaseSync(join(system.home, 'views.sqlite'), { readOnly: true, timeout: 1_000 });
  try {
    const isEnded = db.prepare(
      "SELECT 1 FROM views WHERE tenant_id = ? AND run_id = ? AND status IN ('success', 'error', 'stopped')",
    );
    const lags: number[] = [];
    let over = false;
    const load = keepInFlight(bench, seconds * rounds).finally(() => (over = true));
    while (!over) {
      const before = ends.count;
      await pause(SAMPLE_EVERY_MS);
      while (ends.count === before && !over) await pause(LOOK_EVERY_MS);
      const { last } = ends;
      const from = performance.now();
      while (last && !isEnded.get(last.tenant_id, last.run_id)) {
        if (performance.now() - from > 60_000)
          throw new Error(`no view of the end of ${last.run_id} after 60 s`);
        await pause(LOOK_EVERY_MS);
      }
      lags.push(performance.now() - from);
    }
    await load;
    return lags;
  } finally {
    db.close();
  }
}

async function rebuildRates({ template, rounds }: Bench): Promise<{ product: number[]; raw: number[] }> {
  const server = await startMeasuredBroker();
  const broker = await connectBroker({ url: server.url, name: 'bench rebuild' });
  const worker = await RawWorker.start(server.url, 'filler');
  try {
    await bootstrap(broker, LAYOUT);
    await worker.number({ do: 'log', template, runs: RUNS });
    const rates = { product: [] as number[], raw: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      rates.product.push(await rebuild(server));
      rates.raw.push(await readAndParse(broker));
    }
    return rates;
  } finally {
    await worker.end();
    await broker.close();
    await server.stop();
  }
}

/** The command that operators run, into a new store. */
async function rebuild(server: MeasuredBroker): Promise<number> {
  const folder = await temporaryFolder('runledger-bench-views-');
  try {
    const child = spawn(process.execPath, [join(ROOT, 'services/reconciler/dist/main.js'), 'rebuild-views'], {
      env: {
        PATH: process.env['PATH'],
        RUNLEDGER_HOME: folder.path,
        RUNLEDGER_NATS_URL: server.url,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(child, 'close');
    const [, runs, events, ms] = /: (\d+) runs, \d+ commits, (\d+) events in (\d+) ms/.exec(said) ?? [];
    if (Number(runs) !== RUNS) throw new Error(`the rebuild said: ${said}`);
    return Number(events) / (Number(ms) / 1_000);
  } finally {
    await folder.remove();
  }
}

async function readAndParse(broker: Broker): Promise<number> {
  const log = new JetStreamRunLog(broker, { writer: 'bench/read' });
  const from = performance.now();
  let events = 0;
  for await (const { lines } of log.scan())
    for (const { line } of lines) events += decodeEvent(line).seq > 0 ? 1 : 0;
  const perSecond = events / ((performance.now() - from) / 1_000);
  await log.close();
  return perSecond;
}
