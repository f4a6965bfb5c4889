import { connectBroker } from '@runledger/nest-jetstream';
import { JetStreamRunLog } from '@runledger/run-log';
import { brokerAccess, readSettings } from '@runledger/service-host';
import { openViewStore } from '@runledger/view-store';
import { rebuildViews } from './rebuild-views.ts';

/** Longest wait for a broker that is not there. */
const BROKER_WAIT_MS = 10_000;

/** `reconciler rebuild-views`: drops every view, makes them all from the log and prints what it did. The exit code. */
export async function rebuildCommand(env: NodeJS.ProcessEnv, print: (line: string) => void): Promise<number> {
  try {
    const settings = readSettings(env);
    await using open = new AsyncDisposableStack();
    const store = open.adopt(await openViewStore(settings), (opened) => opened.close());
    const broker = open.adopt(
      await connectBroker({
        ...brokerAccess(settings, 'reconciler'),
        name: 'reconciler/rebuild-views',
        waitMs: BROKER_WAIT_MS,
      }),
      (connected) => connected.close(),
    );
    const runLog = open.adopt(new JetStreamRunLog(broker, { writer: 'reconciler/rebuild-views' }), (log) =>
      log.close(),
    );
    const { runs, commits, events, duration_ms } = await rebuildViews({ runLog, store });
    const perSecond = Math.round(events / (Math.max(duration_ms, 1) / 1_000));
    print(
      `views rebuilt: ${runs} runs, ${commits} commits, ${events} events in ${duration_ms} ms (${perSecond} events/s)`,
    );
    return 0;
  } catch (error) {
    print(`views not rebuilt: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
