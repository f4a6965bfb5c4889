import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import { runSubject } from '@runledger/wire';
import type { Drill, Figures } from '../drill.ts';
import { residentMib } from '../process-usage.ts';
import { StreamField } from '../stream-field.ts';
import { share, spread } from '../verdict.ts';

const EVENTS = 1_000_000;
const BYTES = 100;
/** Of the log: the run's events are some 300 MB. */
const LOG_BYTES = 2 * 1024 ** 3;
/** What the broker takes of one run. */
const MOST_COMMITS = 100_000;
const WRITTEN_MS = 500_000;
/** Nudges of a run are limited to ten a minute. */
const NUDGES = 8;
const LOOKS = 100;
const AT_P95_MS = 1_000;

/** A run that is longer than runs are: everything that can be asked of it works. */
export const longRun: Drill = {
  name: 'long-run',
  rows: '',
  title: `one run of ${EVENTS} events is written, commanded meanwhile, and read in every way`,
  async run(context) {
    const { figures, say } = context;
    const field = await StreamField.make(context, { runsMaxBytes: LOG_BYTES });
    const begun = performance.now();
    const runId = await field.start('burst', { count: EVENTS, bytes: BYTES });
    const observer = field.observer(runId);
    field.watch(observer);
    await commanded(figures, field, runId);
    await waitFor(() => observer.isDone, {
      timeoutMs: WRITTEN_MS,
      everyMs: 200,
      describe: () => `the end; the observer is at ${observer.last}`,
    });
    const seconds = (performance.now() - begun) / 1_000;
    say(`written and seen: ${observer.frames} events`);
    figures.atLeast('events that an observer was sent live', observer.frames, EVENTS);
    figures.tell('written and sent', `${Math.round(observer.frames / seconds)} events/s`);
    const run = await field.client.getRun(runId);
    figures.exactly('of these in the run', run.seq, observer.frames);
    figures.atMost('commits', await commits(field, runId), MOST_COMMITS);
    await replayed(figures, field, runId, { digest: run.digest, sha256: observer.sha256 });
    await lookedAt(figures, field, runId, run.seq);
    await joined(figures, field, runId, run.seq);
    figures.tell(
      'resident memory of the gateway',
      `${Math.round(await residentMib(field.cell.of('gateway')[0]?.pid ?? 0))} MiB`,
    );
    await field.check(figures);
  },
};

async function commanded(figures: Figures, field: StreamField, runId: string): Promise<void> {
  const nudges: number[] = [];
  const reads: number[] = [];
  for (let nudge = 0; nudge < NUDGES; nudge += 1) {
    await pause(500);
    if ((await timed(reads, () => field.client.getRun(runId))).status !== 'running') continue;
    await timed(nudges, () => field.client.nudge(runId, `nudge ${nudge}`));
  }
  figures.atLeast('commands taken while it was written', nudges.length, 1);
  figures.tell('nudges', spread(nudges));
  figures.tell('reads of the run', spread(reads));
}

async function replayed(
  figures: Figures,
  field: StreamField,
  runId: string,
  wanted: { digest: string; sha256: string },
): Promise<void> {
  const begun = performance.now();
  const response = await fetch(`${field.cell.url}/runs/${runId}/events`, {
    headers: { authorization: `Bearer ${field.key}`, accept: 'application/x-ndjson' },
  });
  const hash = createHash('sha256');
  let [rest, digest] = ['', ''];
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    hash.update(chunk as Uint8Array);
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) digest = createHash('sha256').update(digest).update(line).digest('hex');
  }
  figures.tell('replay as NDJSON, checked', `${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  figures.isTrue('the bytes are those that the observer was sent', hash.digest('hex') === wanted.sha256);
  figures.isTrue('they give the digest of the run', digest === wanted.digest);
}

async function lookedAt(figures: Figures, field: StreamField, runId: string, last: number): Promise<void> {
  const took: number[] = [];
  const wrong: string[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    const seq = look === 0 ? last - 1 : 1 + Math.floor(Math.random() * last);
    const { seq: answered } = await timed(took, () => get(field, `/runs/${runId}?at=${seq}`));
    if (answered !== seq) wrong.push(`${seq}: ${answered}`);
  }
  figures.tell('the run as it was: the first', `${Math.round(took[0] ?? 0)} ms`);
  figures.tell('all', spread(took));
  figures.atMost('of 95 in 100', Math.round(share(took, 0.95)), AT_P95_MS, 'ms');
  figures.none('states of another event', wrong);
}

/** In the middle, at the end, and with a snapshot. */
async function joined(figures: Figures, field: StreamField, runId: string, last: number): Promise<void> {
  for (const after of [Math.floor(last / 2), last - 10]) {
    const begun = performance.now();
    const observer = field.observer(runId, {}, after);
    await observer.connect();
    figures.exactly(`events sent after event ${after}`, observer.frames, last - after);
    figures.tell('in', `${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  }
  const begun = performance.now();
  const headers = { authorization: `Bearer ${field.key}` };
  const text = await (
    await fetch(`${field.cell.url}/runs/${runId}/stream?snapshot=true`, { headers })
  ).text();
  figures.isTrue('a snapshot of it', text.includes(`id: ${last}\nevent: snapshot\n`));
  figures.tell('in', `${((performance.now() - begun) / 1_000).toFixed(1)} s`);
}

async function commits(field: StreamField, runId: string): Promise<number> {
  const jsm = await field.cell.broker.jsm();
  const subject = runSubject('local', runId);
  const info = await jsm.streams.info('RUNS', { subjects_filter: subject });
  return info.state.subjects?.[subject] ?? 0;
}

async function get(field: StreamField, path: string): Promise<{ seq: number }> {
  const response = await fetch(field.cell.url + path, { headers: { authorization: `Bearer ${field.key}` } });
  return (await response.json()) as { seq: number };
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const done = await work();
  into.push(performance.now() - from);
  return done;
}
