import { setTimeout as pause } from 'node:timers/promises';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { startsUntil } from '../probe.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const RUNS = 8;
const ROOM_BYTES = 200_000;
const REFUSALS = 5;
/** The bound on a machine that does nothing else is 1 s. */
const MOST_ANSWER_S = 5;

/** Row 12: a log that takes no more refuses starts at once and makes runs wait, and loses nothing. */
export const full: Drill = {
  name: 'full',
  rows: '12',
  title: 'the stream of the log reaches its size, and is made larger later',
  r3: 'too',
  async run({ cleanup, figures, say, r3 }) {
    const cell = await startCell(cleanup, { r3 });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    for (let run = 0; run < RUNS; run += 1)
      await load.start({ agent_id: 'ticker', input: { count: 120, every_ms: 50 } }, true);
    const { streams } = await cell.broker.jsm();
    const { state, config } = await streams.info('RUNS');
    await streams.update('RUNS', { max_bytes: state.bytes + ROOM_BYTES });
    const answers = await startsUntil(
      cell,
      20,
      { agent_id: 'burst', input: { count: 1, bytes: 10 }, labels: { pad: 'x'.repeat(250) } },
      (all) => all.filter(({ status }) => status === 503).length >= REFUSALS || all.length > 2_000,
    );
    const refused = answers.filter(({ status }) => status === 503);
    const stored = answers.filter(({ status }) => status === 202).map(({ body }) => String(body['run_id']));
    say(`${stored.length} starts fitted, then ${refused.length} were refused`);
    await pause(1_000);
    await audit.read();
    const before = audit.commits;
    await pause(2_000);
    const during = (await audit.read()).commits - before;
    const waiting = audit.unended().length;
    await streams.update('RUNS', { max_bytes: config.max_bytes });
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    figures.exactly('starts refused with 503', refused.length, REFUSALS);
    figures.exactly(
      'of these with Retry-After',
      refused.filter(({ retryAfter }) => retryAfter > 0).length,
      REFUSALS,
    );
    figures.exactly(
      'of these with code log_full',
      refused.filter(({ code }) => code === 'log_full').length,
      REFUSALS,
    );
    figures.atMost('slowest refusal', Math.max(...refused.map(({ ms }) => ms)) / 1_000, MOST_ANSWER_S, 's');
    figures.atLeast('runs that waited for room', waiting, 1);
    figures.tell('commits stored in 2 s while it was full', during);
    figures.none(
      'other answers',
      answers
        .filter(({ status }) => ![202, 503].includes(status))
        .map(({ status, text }) => `${status} ${text}`),
    );
    figures.none(
      'starts answered 202 and not in the log',
      stored.filter((id) => !audit.runs.has(id)),
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};
