import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import type { Drill, Figures } from '../drill.ts';
import { cpuSeconds } from '../process-usage.ts';
import { StreamField } from '../stream-field.ts';
import type { StreamObserver } from '../stream-observer.ts';

const RUNS = 20;
const READERS = 2_000;
const LONG_READERS = 10_000;
const TICKS = { count: 240, every_ms: 500 };
const LONG_TICKS = { count: 600, every_ms: 500 };
const RESUMED_S = 30;
const CALM_S = 60;
const LOOK_MS = 2_000;

/** Row 20: everybody comes back at once. */
export const reconnectStorm: Drill = {
  name: 'reconnect-storm',
  rows: '20',
  title: `kill -9 of the only gateway with ${READERS} observers (--long: ${LONG_READERS}), who all come back`,
  async run(context) {
    const { figures, say, long } = context;
    const readers = long ? LONG_READERS : READERS;
    const field = await StreamField.make(context);
    const runs = await Promise.all(
      Array.from({ length: RUNS }, () => field.start('ticker', long ? LONG_TICKS : TICKS)),
    );
    for (let reader = 0; reader < readers; reader += 1) {
      field.watch(field.observer(runs[reader % RUNS] ?? ''));
      if (reader % 200 === 199) await pause(100);
    }
    const open = (): Promise<number> => field.metric('runledger_open_streams');
    await waitFor(async () => (await open()) === readers, {
      timeoutMs: 90_000,
      describe: `${readers} streams`,
    });
    const broker = field.cell.server.pid;
    const calm = await usage(broker);
    const gateway = field.cell.of('gateway')[0];
    if (!gateway) throw new Error('the cell has no gateway');
    say(`${readers} observers are there`);
    await gateway.end('SIGKILL');
    const killed = performance.now();
    const seen = new Map<StreamObserver, number>(field.observers.map((one) => [one, one.frames]));
    await gateway.start();
    await gateway.ready();
    const readyS = (performance.now() - killed) / 1_000;
    figures.tell('until the gateway was ready again', `${readyS.toFixed(1)} s`);
    const back = (): boolean =>
      field.observers.every((one) => one.isDone || one.frames > (seen.get(one) ?? 0));
    await waitFor(back, {
      timeoutMs: 120_000,
      everyMs: 50,
      describe: 'everybody to be told of something new',
    });
    const tookS = (performance.now() - killed) / 1_000;
    figures.atMost(
      'until everybody had been told of something new',
      Math.round(tookS * 10) / 10,
      RESUMED_S,
      's',
    );
    const calmAgain = await waitFor(
      async () => ((await usage(broker)) <= calm * 1.5 + 0.05 ? performance.now() - killed : undefined),
      { timeoutMs: 120_000, everyMs: 100, describe: 'the broker to be as calm as before' },
    );
    figures.tell('processor of the broker before', `${Math.round(calm * 100)} % of a core`);
    figures.atMost('until it was as calm again', Math.round(calmAgain / 1_000), CALM_S, 's');
    await field.allDone(figures, 400_000);
    await checkBytes(field, figures, runs);
    await field.check(figures);
  },
};

async function checkBytes(field: StreamField, figures: Figures, runs: readonly string[]): Promise<void> {
  const hashes = new Map<string, string>();
  for (const runId of runs) hashes.set(runId, (await field.sha256(runId)).sha256);
  const { observers } = field;
  figures.tell(
    'observers, connections',
    `${observers.length}, ${sum(observers.map((one) => one.connections))}`,
  );
  figures.none(
    'observers that saw other bytes than the log has',
    observers.filter((one) => one.sha256 !== hashes.get(one.runId)).map((one) => `${one.frames} frames`),
  );
}

/** Cores that the process uses, over the time of one look. */
async function usage(pid: number): Promise<number> {
  const [from, begun] = [await cpuSeconds(pid), performance.now()];
  await pause(LOOK_MS);
  return ((await cpuSeconds(pid)) - from) / ((performance.now() - begun) / 1_000);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
