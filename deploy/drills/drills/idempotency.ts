import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, DrillContext } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { type Answer, ask } from '../probe.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const PAIRS = 100;
const CRASHES = 5;
/** More, until one has met a start between its append and its answer. */
const MOST_CRASHES = 25;
const STARTS_PER_CRASH = 8;
const START = '/agents/run-code/start';

const body = (label: string): object => ({
  agent_id: 'burst',
  input: { count: 1, bytes: 10 },
  labels: { drill: label },
});

/** Row 32: one key is one run, whatever happens between the request and its answer. */
export const idempotency: Drill = {
  name: 'idempotency',
  rows: '32',
  title: 'the same key twice at once, with another body, and across kills of the gateway',
  async run(context) {
    const { cleanup, figures } = context;
    const cell = await startCell(cleanup, { replicas: { gateway: 1 } });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    await inPairs(context, cell, load);
    await acrossKills(context, cell, load, audit);
    await allEnded(figures, audit, 120_000);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

const start = (cell: Cell, key: string, label: string, timeoutMs = 30_000): Promise<Answer> =>
  ask(cell, {
    method: 'POST',
    path: START,
    body: body(label),
    headers: { 'idempotency-key': key },
    timeoutMs,
  });

const runOf = (answer: Answer | undefined): string =>
  (answer?.body['run_id'] as string | undefined) ?? 'none';

async function inPairs({ figures, say }: DrillContext, cell: Cell, load: Load): Promise<void> {
  const different: string[] = [];
  const unlike: string[] = [];
  const mismatches: number[] = [];
  const statuses = new Map<number, number>();
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const key = randomUUID();
    load.starts.attempted(key);
    const answers = await Promise.all([start(cell, key, key), start(cell, key, key)]);
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (answers.every(({ status }) => status === 200 || status === 202)) load.starts.acknowledged(key);
    if (runOf(answers[0]) !== runOf(answers[1]) || runOf(answers[0]) === 'none') different.push(key);
    const [first, again] = [await start(cell, key, key), await start(cell, key, key)];
    if (first.status !== 200 || runOf(first) !== runOf(answers[0]) || runOf(first) !== runOf(again))
      unlike.push(key);
    if (first.headers.get('idempotency-replayed') !== 'true')
      unlike.push(`${key} without Idempotency-Replayed`);
    mismatches.push((await start(cell, key, 'another body')).status);
  }
  say(`${PAIRS} keys were used twice at once`);
  figures.tell(
    'statuses of the pairs',
    [...statuses].map(([status, count]) => `${count} x ${status}`).join(', '),
  );
  figures.none('pairs that were answered two runs', different);
  figures.none('later repeats that were answered otherwise', unlike);
  figures.exactly('422 for another body', mismatches.filter((status) => status === 422).length, PAIRS);
}

/** The gateway dies between a start's append and its answer, or near it; whoever got no answer asks again. */
async function acrossKills(
  { figures, say }: DrillContext,
  cell: Cell,
  load: Load,
  audit: LogAudit,
): Promise<void> {
  const [gateway] = cell.of('gateway');
  if (gateway === undefined) throw new Error('there is no gateway');
  let unanswered = 0;
  let between = 0;
  let kills = 0;
  const changed: string[] = [];
  for (; kills < CRASHES || (between === 0 && kills < MOST_CRASHES); kills += 1) {
    await start(cell, randomUUID(), `warm ${randomUUID()}`);
    const keys = Array.from({ length: STARTS_PER_CRASH }, () => randomUUID());
    for (const key of keys) load.starts.attempted(key);
    const first = Promise.all(keys.map((key) => start(cell, key, key, 5_000)));
    // Now and then at random; else when the first is stored, for its neighbours are then on their way.
    if (kills % 3 === 0) await pause(5 + Math.random() * 100);
    else await untilStored(audit, keys);
    await gateway.end('SIGKILL');
    const answers = await first;
    const stored = new Set([...(await audit.read()).runs.values()].map((run) => run.start));
    between += keys.filter((key, index) => answers[index]?.status === 0 && stored.has(key)).length;
    await gateway.start();
    await gateway.ready();
    const repeated = await Promise.all(keys.map((key) => start(cell, key, key)));
    for (const [index, key] of keys.entries()) {
      const [one, two] = [answers[index], repeated[index]];
      if (one?.status === 0) unanswered += 1;
      else if (runOf(one) !== runOf(two)) changed.push(key);
      if (two?.status === 200 || two?.status === 202) load.starts.acknowledged(key);
    }
  }
  say(`${kills} kills, ${unanswered} starts without an answer`);
  figures.tell('kills of the gateway with starts in flight', kills);
  figures.atLeast('starts that got no answer', unanswered, 1);
  figures.atLeast('of these stored before the kill', between, 1);
  figures.none('answered before the kill and otherwise after it', changed);
}

/** Resolves when one of these starts is in the log, or after 5 s. */
async function untilStored(audit: LogAudit, keys: readonly string[]): Promise<void> {
  await waitFor(
    async () => {
      const { runs } = await audit.read();
      return [...runs.values()].some((run) => keys.includes(run.start));
    },
    { timeoutMs: 5_000, everyMs: 1, describe: 'a start to be stored' },
  ).catch(() => undefined);
}
