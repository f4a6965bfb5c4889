import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { freePort, startBroker, waitFor } from '@runledger/testkit';
import { adminOf, Cell, launch, seed } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const EMPTY_MS = 5_000;

/** Services may be there before the broker, and the broker before its streams. */
export const startingOrder: Drill = {
  name: 'starting-order',
  rows: '23, order',
  title: 'every service starts first, then an empty broker, then its streams',
  async run({ cleanup, figures, say }) {
    const port = await freePort();
    const url = `nats://127.0.0.1:${port}`;
    const launched = await launch(cleanup, url, {});
    let alive: number[] = [];
    await waitFor(
      async () => {
        alive = await Promise.all(launched.processes.map((process) => process.ask('/healthz')));
        return alive.every((status) => status === 200);
      },
      { timeoutMs: 60_000, everyMs: 200, describe: 'every service to be alive' },
    ).catch(() => undefined);
    const ready = await Promise.all(launched.processes.map((process) => process.ask('/readyz')));
    figures.exactly(
      'services alive without a broker',
      alive.filter((status) => status === 200).length,
      alive.length,
    );
    figures.exactly('of these not ready', ready.filter((status) => status === 503).length, ready.length);
    const server = await startBroker({ port, startTimeoutMs: 60_000 });
    cleanup.add('broker', () => server.stop());
    const broker = await adminOf(cleanup, url);
    say('the broker is there, empty');
    await pause(EMPTY_MS);
    figures.none(
      'services that gave up on an empty broker',
      launched.processes.filter((process) => !process.runs).map((process) => process.name),
    );
    await bootstrap(broker, LAYOUT);
    await seed(broker, ['local']);
    const begun = performance.now();
    const cell = new Cell({ servers: [server], cluster: undefined, broker, ...launched });
    await cell.ready();
    figures.atMost('from the streams to all ready', (performance.now() - begun) / 1_000, 60, 's');
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    for (const agent_id of ['hello', 'hello-code'])
      await load.start({ agent_id, input: { message: 'hi' } }, true);
    await load.start({ agent_id: 'ticker', input: { count: 3, every_ms: 50 } }, true);
    await allEnded(figures, audit, 60_000);
    await load.observersDone(30_000);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};
