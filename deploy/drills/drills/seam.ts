import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import type { Drill } from '../drill.ts';
import { StreamField } from '../stream-field.ts';

const RUNS = 4;
/** Together 400 events a second. */
const EVERY_MS = 10;
const ATTACHMENTS = 10_000;
const AT_ONCE = 40;
/** How far back an observer begins at most, and how many live events it waits for at most. */
const BACK = 60;
const LIVE = 3;

/** Row 21: where replay ends and live begins. */
export const seam: Drill = {
  name: 'seam',
  rows: '21',
  title: `${ATTACHMENTS} observers attach to runs that are being written, each at a random event and moment`,
  async run(context) {
    const { figures, say } = context;
    const field = await StreamField.make(context, { env: { RUNLEDGER_ROOT_RUNS_PER_USER: '100' } });
    // Stopped at the end: they last as long as it takes.
    const runs = await Promise.all(
      Array.from({ length: RUNS }, () => field.start('ticker', { count: 90_000, every_ms: EVERY_MS })),
    );
    const newest = new Map<string, number>();
    for (const runId of runs)
      field.watch(field.observer(runId, { onLine: (seq) => void newest.set(runId, seq) }));
    await waitFor(() => runs.every((runId) => (newest.get(runId) ?? 0) > BACK), {
      timeoutMs: 60_000,
      describe: 'the runs to write',
    });
    const seen: { runId: string; seq: number; line: string }[] = [];
    let [attached, refused, left] = [0, 0, ATTACHMENTS];
    const attach = async (): Promise<void> => {
      while (left-- > 0) {
        const runId = runs[Math.floor(Math.random() * RUNS)] ?? '';
        const now = newest.get(runId) ?? 0;
        const after = Math.max(0, now - Math.floor(Math.random() * BACK));
        const until = now + 1 + Math.floor(Math.random() * LIVE);
        const observer = field.observer(
          runId,
          {
            onLine: (seq, line) => {
              seen.push({ runId, seq, line });
              if (seq >= until) observer.break();
            },
          },
          after,
        );
        // A busy gateway says so before it sends anything: that is no attachment yet.
        while ((await observer.connect()) === 'refused' && observer.troubles.length === 0) {
          refused += 1;
          await pause(100 + Math.random() * 400);
        }
        if (observer.last >= until) attached += 1;
        else observer.troubles.push(`${runId}: from ${after} it was told up to ${observer.last} of ${until}`);
        if (attached % 2_000 === 0) say(`${attached} attachments`);
      }
    };
    const begun = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, attach));
    const seconds = (performance.now() - begun) / 1_000;
    figures.exactly('attachments that reached what was live', attached, ATTACHMENTS);
    figures.tell('in', `${seconds.toFixed(1)} s`);
    figures.tell('events seen', seen.length);
    figures.tell('connections that were refused with 503 and tried again', refused);
    await Promise.all(runs.map((runId) => field.client.stop(runId)));
    for (const runId of runs) {
      const { lines } = await field.sha256(runId);
      figures.none(
        'lines that are not what the log has there',
        seen
          .filter((one) => one.runId === runId && lines[one.seq - 1] !== one.line)
          .map(({ seq }) => String(seq)),
      );
    }
    await field.check(figures);
  },
};
