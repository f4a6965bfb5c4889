import { waitFor } from '@runledger/testkit';
import type { Drill } from '../drill.ts';
import { residentMib } from '../process-usage.ts';
import { StreamField } from '../stream-field.ts';
import { share } from '../verdict.ts';

const RUNS = 15;
/** More than the broker lets a stream have consumers by default. */
const READERS = 1_500;
const LONG_READERS = 10_000;
const TICKS = { count: 40, every_ms: 500 };
/** Connections that are made at once. */
const AT_ONCE = 100;

/** Rows 17 and 18: observers cost the broker nothing. */
export const manyReaders: Drill = {
  name: 'many-readers',
  rows: '17, 18',
  title: `${READERS} observers, more than a stream may have consumers (--long: ${LONG_READERS})`,
  async run(context) {
    const { figures, say, long } = context;
    const readers = long ? LONG_READERS : READERS;
    const field = await StreamField.make(context);
    const before = await field.consumers();
    // The runs last until everybody has come.
    const ticks = { ...TICKS, count: TICKS.count + Math.ceil(readers / 100) };
    const runs = await Promise.all(Array.from({ length: RUNS }, () => field.start('ticker', ticks)));
    const lags: number[] = [];
    for (let reader = 0; reader < readers; reader += 1) {
      const isHere = { yet: false };
      const observer = field.observer(runs[reader % RUNS] ?? '', {
        onLine: (seq, line) => {
          const at = Date.parse(/"at":"([^"]+)"/.exec(line)?.[1] ?? '');
          const lag = performance.timeOrigin + performance.now() - at;
          // What was there before the observer came is replay, and no lag.
          if (lag < 250) isHere.yet = true;
          if (isHere.yet) lags.push(lag);
        },
      });
      field.watch(observer);
      if (reader % AT_ONCE === AT_ONCE - 1) {
        const opened = reader + 1;
        await waitFor(async () => (await field.metric('runledger_open_streams')) >= opened - AT_ONCE, {
          timeoutMs: 60_000,
          describe: `${opened} connections`,
        });
      }
    }
    await waitFor(async () => (await field.metric('runledger_open_streams')) >= readers, {
      timeoutMs: 60_000,
      describe: `${readers} open streams`,
    });
    const gateway = field.cell.of('gateway')[0];
    figures.exactly('streams open at once', await field.metric('runledger_open_streams'), readers);
    figures.exactly('consumers of the log made for them', (await field.consumers()) - before, 0);
    figures.tell('resident memory of the gateway', `${Math.round(await residentMib(gateway?.pid ?? 0))} MiB`);
    say(`${readers} observers are there`);
    await field.allDone(figures, 120_000);
    const hashes = new Map<string, string>();
    for (const runId of runs) hashes.set(runId, (await field.sha256(runId)).sha256);
    figures.none(
      'observers that saw other bytes than the log has',
      field.observers
        .filter((one, index) => one.sha256 !== hashes.get(runs[index % RUNS] ?? ''))
        .map((one) => `${one.frames} frames over ${one.connections} connections`),
    );
    figures.tell('frames', lags.length);
    figures.tell('lag', `p50 ${Math.round(share(lags, 0.5))} ms, p99 ${Math.round(share(lags, 0.99))} ms`);
    await field.check(figures);
  },
};
