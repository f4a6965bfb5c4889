import { nanos } from '@nats-io/transport-node';
import { newIdempotencyKey } from '@runledger/client';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, Figures } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load, MIX } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { mixedWith, People } from '../people.ts';
import { Repeater } from '../repeater.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const SHARE = 0.2;
const ACK_WAIT_MS = 1_000;
const REPLAYED = 10;
const TIMES = 3;
const JOBS = mixedWith(MIX);

/** Row 6: who gets a message twice, or ten times, or a command three times, does it once. */
export const duplicates: Drill = {
  name: 'duplicates',
  rows: '6',
  title:
    'every message of a durable arrives twice, one ack in five is lost, the broker waits 1 s for them; commands three times',
  async run({ cleanup, figures, long, say }) {
    const runs = long ? 200 : 50;
    const repeater = new Repeater(cleanup, SHARE);
    const effects = await EffectsFile.make(cleanup);
    const cell = await startCell(cleanup, {
      replicas: { 'agent-executor': 2 },
      env: { RUNLEDGER_EFFECTS_FILE: effects.path },
      through: (_service, url) => repeater.through(url),
    });
    const impatient = await shortenAckWaits(cell);
    const people = await People.on(cell, cleanup, effects);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const nudges = new Map<string, number>();
    const audit = new LogAudit(cell.broker, (run, line) => {
      people.take(run, line);
      if (line.type === 'nudge.received') nudges.set(run.run_id, (nudges.get(run.run_id) ?? 0) + 1);
    });
    people.work(cell, audit);
    const met = setInterval(() => people.fault(), 500);
    cleanup.add('faults', () => clearInterval(met));
    const replayed = replayCommands(cell);
    await Promise.all(
      Array.from({ length: runs }, (_, index) =>
        load.start(JOBS[index % JOBS.length] ?? { agent_id: 'hello', input: {} }, index % 4 === 0),
      ),
    );
    const { ids, nudged } = await replayed;
    say(`${runs} runs were started; ${repeater.doubled} messages arrived twice`);
    await allEnded(figures, audit, 240_000);
    await load.observersDone(60_000);
    repeater.retire();
    checkRepeats(figures, repeater, impatient);
    figures.exactly(`runs of ${REPLAYED} starts sent ${TIMES} times`, new Set(ids).size, REPLAYED);
    figures.atLeast(`nudges taken of those sent ${TIMES} times`, nudged.length, REPLAYED / 2);
    figures.none(
      'of these not in the log exactly once',
      nudged.filter((id) => nudges.get(id) !== 1),
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

/** Tells the broker to bring everything again after a second: less than what a service takes before it says anything. */
async function shortenAckWaits(cell: Cell): Promise<number> {
  const jsm = await cell.broker.jsm();
  let durables = 0;
  for await (const stream of jsm.streams.list())
    for await (const consumer of jsm.consumers.list(stream.config.name)) {
      if (consumer.config.durable_name === undefined) continue;
      await jsm.consumers.update(stream.config.name, consumer.name, { ack_wait: nanos(ACK_WAIT_MS) });
      durables += 1;
    }
  return durables;
}

/** Each start and each nudge three times at once under one key. */
async function replayCommands(cell: Cell): Promise<{ ids: string[]; nudged: string[] }> {
  const client = await cell.client();
  const one = async (): Promise<{ ids: string[]; nudged: boolean }> => {
    const key = { idempotencyKey: newIdempotencyKey() };
    const thrice = <T>(ask: () => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: TIMES }, () => ask()));
    const started = await thrice(() =>
      client.start({ agent_id: 'ticker', input: { count: 60, every_ms: 100 } }, key),
    );
    const ids = started.map(({ run_id }) => run_id);
    const nudges = await thrice(() =>
      client.nudge(ids[0] ?? '', 'Once.', key).then(
        () => true,
        () => false,
      ),
    );
    return { ids, nudged: nudges.some((taken) => taken) };
  };
  const all = await Promise.all(Array.from({ length: REPLAYED }, one));
  return {
    ids: all.flatMap(({ ids }) => ids),
    nudged: all.filter(({ nudged }) => nudged).map(({ ids }) => ids[0] ?? ''),
  };
}

function checkRepeats(figures: Figures, repeater: Repeater, impatient: number): void {
  figures.atLeast('durables whose ack_wait was 1 s', impatient, 4);
  figures.atLeast('messages that arrived twice at once', repeater.doubled, 500);
  figures.atLeast('of these brought again by the broker', repeater.redelivered, 50);
  figures.tell('the most times that one was brought', repeater.mostDeliveries);
  figures.atLeast('acks, naks and signs of life lost', repeater.silenced, 100);
}
