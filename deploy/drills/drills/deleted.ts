import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { waitFor } from '@runledger/testkit';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, DrillContext, Figures } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load, MIX, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { mixedWith, People } from '../people.ts';
import { startsUntil } from '../probe.ts';
import { allEnded, checkLog, checkSuccess, checkViews, spread } from '../verdict.ts';
import { inFlight } from './services.ts';

const RUNS = 16;
/** Within which a service has what it needs again, or says that it has not. */
const NOTICED_S = 10;
const WORKS_AGAIN_S = 30;
/** Those whose loss costs no acknowledged event, with a service that reads them. */
const STREAMS = [
  { stream: 'WORK', reader: 'agent-executor' },
  { stream: 'TIMERS', reader: 'run-scheduler' },
] as const;

/** Row 16: what an administrator deletes under a service comes back, or the service says so; none is idle in silence. */
export const deleted: Drill = {
  name: 'deleted',
  rows: '16',
  title: 'every durable is deleted under load, then streams of work and timers, at last the log itself',
  async run(context) {
    const { cleanup, figures, say } = context;
    const effects = await EffectsFile.make(cleanup);
    const cell = await startCell(cleanup, { env: { RUNLEDGER_EFFECTS_FILE: effects.path } });
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker, people.take);
    people.work(cell, audit);
    const pressure = new Pressure(load, RUNS, async () => inFlight(await audit.read()), {
      jobs: mixedWith(MIX),
    });
    await pressure.begin();
    await deleteDurables(context, cell, people);
    await deleteStreams(context, cell, people);
    await pressure.stop();
    await allEnded(figures, audit, 180_000);
    await load.observersDone(60_000);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
    say('everything has ended; the log is deleted');
    await deleteLog(figures, cell);
  },
};

async function deleteDurables(
  { figures, say, long }: DrillContext,
  cell: Cell,
  people: People,
): Promise<void> {
  const jsm = await cell.broker.jsm();
  const back: number[] = [];
  for (let round = 0; round < (long ? 6 : 2); round += 1)
    for (const { stream, durable } of await durablesOf(cell)) {
      await pause(500 + Math.random() * 500);
      people.fault();
      await jsm.consumers.delete(stream, durable);
      const from = performance.now();
      await waitFor(() => jsm.consumers.info(stream, durable).then(Boolean, () => false), {
        timeoutMs: 60_000,
        everyMs: 50,
        describe: `${durable} to be there again`,
      });
      back.push(performance.now() - from);
      say(`${durable} was deleted, and there again after ${Math.round(back.at(-1) ?? 0)} ms`);
    }
  figures.tell('durables deleted', back.length);
  figures.tell('until they were there again', spread(back));
  figures.atMost('the longest', Math.max(...back) / 1_000, NOTICED_S, 's');
}

/** Those of services on streams of the layout and on buckets. */
async function durablesOf(cell: Cell): Promise<{ stream: string; durable: string }[]> {
  const jsm = await cell.broker.jsm();
  const found: { stream: string; durable: string }[] = [];
  for await (const { config } of jsm.streams.list())
    for await (const consumer of jsm.consumers.list(config.name))
      if (consumer.config.durable_name !== undefined)
        found.push({ stream: config.name, durable: consumer.config.durable_name });
  return found;
}

async function deleteStreams({ figures, say }: DrillContext, cell: Cell, people: People): Promise<void> {
  const jsm = await cell.broker.jsm();
  for (const { stream, reader } of STREAMS) {
    await pause(1_000);
    people.fault();
    await jsm.streams.delete(stream);
    const told = await untilNotReady(cell, [reader]);
    await pause(1_000);
    await bootstrap(cell.broker, LAYOUT);
    const from = performance.now();
    await cell.ready();
    const again = (performance.now() - from) / 1_000;
    say(`${stream} was deleted; ${reader} said so after ${told.toFixed(1)} s`);
    figures.atMost(`${stream} deleted: until ${reader} says so`, told, NOTICED_S, 's');
    figures.atMost(`${stream} made again: until all are ready`, again, WORKS_AGAIN_S, 's');
  }
}

/** Resolves with the seconds until each of these services is not ready, or has ended. */
async function untilNotReady(cell: Cell, names: readonly string[]): Promise<number> {
  const from = performance.now();
  const those = cell.processes.filter((process) => names.includes(process.name));
  await waitFor(
    async () => (await Promise.all(those.map((one) => one.ask('/readyz')))).every((status) => status !== 200),
    { timeoutMs: 60_000, everyMs: 50, describe: `${names.join(', ')} to say that something is missing` },
  );
  return (performance.now() - from) / 1_000;
}

async function deleteLog(figures: Figures, cell: Cell): Promise<void> {
  const jsm = await cell.broker.jsm();
  await jsm.streams.delete('RUNS');
  const told = await untilNotReady(cell, ['gateway', 'run-scheduler', 'reconciler']);
  figures.atMost('the log deleted: until its readers say so', told, NOTICED_S, 's');
  const answers = await startsUntil(
    cell,
    1,
    { agent_id: 'burst', input: { count: 1, bytes: 1 } },
    (all) => all.length >= 3,
  );
  figures.none(
    'starts then answered with another status than 503',
    answers
      .filter(({ status }) => status !== 503)
      .map(({ status, text }) => `${status} ${text.slice(0, 80)}`),
  );
}
