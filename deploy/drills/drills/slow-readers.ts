import { waitFor } from '@runledger/testkit';
import type { Drill } from '../drill.ts';
import { StreamField } from '../stream-field.ts';
import type { StreamObserver } from '../stream-observer.ts';
import { share } from '../verdict.ts';

const READERS = 60;
const LAZY = 15;
/** More than kernels keep for a reader that does not read: sent to each of them. */
const FLOOD = { count: 24_000, bytes: 1_000 };
const PACED = { count: 400, every_ms: 25 };

interface Round {
  lags: number[];
  lazy: StreamObserver[];
  cut: number;
}

/** Row 19: who does not read is cut, and only they. */
export const slowReaders: Drill = {
  name: 'slow-readers',
  rows: '19',
  title: `${LAZY} of ${READERS + LAZY} observers never read while 24 MB are sent to each`,
  async run(context) {
    const { figures, say } = context;
    const field = await StreamField.make(context);
    const alike = await oneRound(field, false);
    say('measured with readers who read');
    const round = await oneRound(field, true);
    figures.exactly('readers cut because they did not read', round.cut, LAZY);
    figures.exactly('readers cut who read', alike.cut, 0);
    const [before, with_] = [share(alike.lags, 0.99), share(round.lags, 0.99)];
    figures.tell('p99 lag of the others when everybody reads', `${Math.round(before)} ms`);
    figures.atMost(
      'p99 lag of the others beside those who do not',
      Math.round(with_),
      Math.round(Math.max(2 * before, 250)),
      'ms',
    );
    for (const one of round.lazy) one.readAgain();
    await field.allDone(figures, 120_000);
    figures.none(
      'cut readers that did not come back',
      round.lazy.filter(({ connections }) => connections < 2).map((one) => `${one.frames} frames`),
    );
    const { sha256 } = await field.sha256(round.lazy[0]?.runId ?? '');
    figures.none(
      'readers that saw other bytes than the log has after they resumed',
      round.lazy.filter((one) => one.sha256 !== sha256).map((one) => `${one.frames} frames`),
    );
    await field.check(figures);
  },
};

/** Some watch a paced run, others are sent a flood. Answers how late the first were told. */
async function oneRound(field: StreamField, areLazy: boolean): Promise<Round> {
  const cutsBefore = await cuts(field);
  const lags: number[] = [];
  let counts = false;
  const paced = await field.start('ticker', PACED);
  const others = Array.from({ length: READERS }, () =>
    field.observer(paced, { onLine: (_seq, line) => counts && lags.push(lagOf(line)) }),
  );
  const flood = await field.hold('burst', FLOOD);
  const lazy = Array.from({ length: LAZY }, () =>
    field.observer(flood.runId, { reconnectMs: { first: 200, cap: 1_000 } }),
  );
  for (const one of [...others, ...lazy]) field.watch(one);
  await waitFor(() => [...others, ...lazy].every(({ frames }) => frames > 0), { describe: 'all readers' });
  if (areLazy) for (const one of lazy) one.stopReading();
  counts = true;
  await flood.go();
  const over = areLazy
    ? async () => (await cuts(field)) - cutsBefore >= LAZY
    : () => lazy.every(({ isDone }) => isDone);
  await waitFor(over, { timeoutMs: 60_000, everyMs: 100, describe: 'the flood' }).catch(() => undefined);
  counts = false;
  return { lags, lazy, cut: (await cuts(field)) - cutsBefore };
}

const lagOf = (line: string): number =>
  performance.timeOrigin + performance.now() - Date.parse(/"at":"([^"]+)"/.exec(line)?.[1] ?? '');

const cuts = (field: StreamField): Promise<number> => field.metric('runledger_streams_cut_total');
