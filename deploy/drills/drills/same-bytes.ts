import { setTimeout as pause } from 'node:timers/promises';
import type { Drill } from '../drill.ts';
import { StreamField } from '../stream-field.ts';

const READERS = 50;
const SECONDS = 120;
const EVERY_MS = 10;
/** A connection lasts a random time of at most so long. */
const MOST_MS = 3_000;

/** Row 21 again, over time: whoever reconnects at whatever moment has the same bytes in the end. */
export const sameBytes: Drill = {
  name: 'same-bytes',
  rows: '21',
  title: `${READERS} observers of one run, whose connections to two gateways break at random moments for ${SECONDS} s`,
  async run(context) {
    const { figures } = context;
    const field = await StreamField.make(context, { replicas: { gateway: 2 } });
    // It is stopped in the end: on a busy machine it writes slower than it is asked to.
    const runId = await field.start('ticker', { count: 90_000, every_ms: EVERY_MS });
    const { urls } = field.cell;
    const url = (): string => urls[Math.floor(Math.random() * urls.length)] ?? '';
    for (let reader = 0; reader < READERS; reader += 1)
      field.watch(field.observer(runId, { url, reconnectMs: { first: 20, cap: 500 } }));
    const until = performance.now() + SECONDS * 1_000;
    await Promise.all(
      field.observers.map(async (one) => {
        while (!one.isDone && performance.now() < until) {
          await pause(Math.random() * MOST_MS);
          one.break();
        }
      }),
    );
    await field.client.stop(runId);
    await field.allDone(figures, 60_000);
    const hashes = new Set(field.observers.map(({ sha256 }) => sha256));
    const { sha256, lines } = await field.sha256(runId);
    const connections = field.observers.reduce((sum, one) => sum + one.connections, 0);
    figures.tell('events, connections', `${lines.length}, ${connections}`);
    figures.exactly('SHA-256 of all that each was sent: different ones', hashes.size, 1);
    figures.isTrue('it is that of the lines in the log', hashes.has(sha256), sha256.slice(0, 16));
    figures.atLeast('connections of each, in the middle', Math.round(connections / READERS), 20);
    await field.check(figures);
  },
};
