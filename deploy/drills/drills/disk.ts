import { statfs, writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, waitFor } from '@runledger/testkit';
import { startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { LoopDisk } from '../loop-disk.ts';
import { type Answer, startsUntil } from '../probe.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const DISK_MIB = 80;
const ROOM_BYTES = 12 * 1024 ** 2;
const RUNS = 10;
const REFUSALS = 5;
/** The bound on a machine that does nothing else is 5 s. */
const MOST_ANSWER_S = 8;
const MOST_ALARM_S = 20;

/** Row 11: the broker's disk is full. Nobody is told that something was kept which was not. */
export const disk: Drill = {
  name: 'disk',
  rows: '11',
  title: "the broker's disk fills up, is freed, and the broker starts again",
  needs: ['loop'],
  async run({ cleanup, figures, say }) {
    const loop = await LoopDisk.make(DISK_MIB);
    cleanup.add('disk', () => loop.remove());
    const monitor = await freePort();
    const cell = await startCell(cleanup, {
      broker: { storeDir: join(loop.path, 'store'), config: `http: "127.0.0.1:${monitor}"` },
    });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    const ballast = join(loop.path, 'ballast');
    const { bavail, bsize } = await statfs(loop.path);
    await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - ROOM_BYTES)));
    for (let run = 0; run < RUNS; run += 1)
      await load.start({ agent_id: 'burst', input: { count: 1_000, bytes: 2_000 } }, run % 2 === 0);
    const answers = await untilRefused(cell);
    const firstRefusal = performance.now();
    const healthy = async (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${monitor}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
        (answer) => answer.ok,
        () => false,
      );
    const alarmed = await waitFor(async () => !(await healthy()), {
      timeoutMs: MOST_ALARM_S * 1_000,
      describe: 'the alarm',
    }).catch(() => false);
    const alarmMs = performance.now() - firstRefusal;
    const stored = answers.filter(({ status }) => status === 202).map(({ body }) => String(body['run_id']));
    say(`${stored.length} more starts fitted; the broker's health says ${alarmed ? 'full' : 'nothing'}`);
    await rm(ballast);
    await cell.server.restart();
    await allEnded(figures, audit, 180_000);
    await load.observersDone(60_000);
    const refused = answers.filter(({ status }) => status !== 202);
    figures.none(
      'answers that were neither 202 nor 503 with Retry-After',
      refused
        .filter(({ status, retryAfter }) => status !== 503 || retryAfter <= 0)
        .map(({ status, text }) => `${status} ${text}`),
    );
    figures.atLeast('starts refused', refused.length, REFUSALS);
    figures.tell('codes of the refusals', [...new Set(refused.map(({ code }) => code))].join(', '));
    figures.atMost('slowest refusal', Math.max(...refused.map(({ ms }) => ms)) / 1_000, MOST_ANSWER_S, 's');
    figures.isTrue(
      "the broker's health tells of it",
      alarmed !== false,
      alarmed === false ? 'no' : `after ${Math.round(alarmMs)} ms`,
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

function untilRefused(cell: Parameters<typeof startsUntil>[0]): Promise<Answer[]> {
  const end = performance.now() + 120_000;
  return startsUntil(
    cell,
    20,
    { agent_id: 'burst', input: { count: 300, bytes: 2_000 } },
    (all) => all.filter(({ status }) => status !== 202).length >= REFUSALS || performance.now() > end,
  );
}
