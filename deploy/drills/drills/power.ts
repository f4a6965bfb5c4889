import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { JetStreamRunLog } from '@runledger/run-log';
import { startBroker, waitFor } from '@runledger/testkit';
import { adminOf } from '../cell.ts';
import { Cleanup } from '../cleanup.ts';
import type { Drill, DrillContext } from '../drill.ts';
import { LoopDisk } from '../loop-disk.ts';
import { Writers } from '../writers.ts';

const DISK_MIB = 2_048;
const WRITERS = 32;
const FEWEST = 20_000;

/** Row 4: what was acknowledged is on the disk, not on its way to it. */
export const power: Drill = {
  name: 'power',
  rows: '4',
  title: 'the power fails under load; the same with a broker that does not sync must show loss',
  needs: ['loop'],
  async run(context) {
    const { figures, long } = context;
    const loadMs = long ? 40_000 : 8_000;
    const kept = await cut(context, { syncAlways: true, loadMs, fewest: FEWEST });
    figures.tell('load', `at least ${loadMs / 1_000} s, ${WRITERS} writers`);
    figures.atLeast('sync always: acknowledged events', kept.acknowledged, FEWEST);
    figures.none('sync always: acknowledged events missing', kept.missing);
    figures.none('sync always: events stored twice', kept.twice);
    const young = await cut(context, { syncAlways: true, loadMs: 1_500 });
    figures.atLeast('sync always, a new stream: acknowledged events', young.acknowledged, 1);
    figures.none('sync always, a new stream: missing', young.missing);
    const lossy = await cut(context, { syncAlways: false, loadMs });
    figures.tell("the broker's default: acknowledged events", lossy.acknowledged);
    figures.atLeast("the broker's default: missing (guards this drill)", lossy.missing.length, 1);
  },
};

interface Found {
  acknowledged: number;
  missing: string[];
  twice: string[];
}

/** One cut: load on a new disk, the disk as it is at that moment, and what a new broker finds on it. */
async function cut(
  { cleanup, say, figures }: DrillContext,
  { syncAlways, loadMs, fewest = 1 }: { syncAlways: boolean; loadMs: number; fewest?: number },
): Promise<Found> {
  const own = new Cleanup();
  cleanup.add('power cut', () => own.run());
  const disk = await LoopDisk.make(DISK_MIB);
  own.add('disk', () => disk.remove());
  const storeDir = join(disk.path, 'store');
  const server = await startBroker({ syncAlways, storeDir, startTimeoutMs: 60_000 });
  own.add('broker', () => server.stop());
  const admin = await adminOf(own, server.url);
  await bootstrap(admin, LAYOUT);
  const writers = await Writers.begin(own, admin, WRITERS);
  await pause(loadMs);
  await waitFor(() => writers.journal.counts.acknowledged >= fewest, {
    timeoutMs: 120_000,
    describe: () => `${fewest} acknowledged events; ${writers.journal.counts.acknowledged} are`,
  });
  // Frozen between two instructions; nothing that it acknowledges from here on reaches anybody.
  server.pause();
  const { acknowledged } = writers.journal.counts;
  writers.abandon();
  const after = await disk.asAfterPowerCut();
  own.add('disk after the cut', () => after.remove());
  await server.kill();
  const begun = performance.now();
  const again = await startBroker({
    syncAlways,
    storeDir: join(after.path, 'store'),
    startTimeoutMs: 120_000,
  });
  own.add('broker after the cut', () => again.stop());
  const reader = await adminOf(own, again.url);
  const log = new JetStreamRunLog(reader, { writer: 'drill/reader' });
  own.add('reader', () => log.close());
  const survived = await (await reader.jsm()).streams.info('RUNS').catch(() => undefined);
  const found = survived === undefined ? [] : await writers.stored(log);
  const { missing, twice } = writers.journal.compare(found);
  const mode = syncAlways ? 'always' : 'default';
  say(`sync ${mode}: ${acknowledged} acknowledged, ${found.length} found, ${missing.length} missing`);
  figures.tell(`broker back on the disk (sync ${mode})`, `${Math.round(performance.now() - begun)} ms`);
  if (survived === undefined) figures.tell(`the stream itself (sync ${mode})`, 'lost');
  await own.run();
  return { acknowledged, missing, twice };
}
