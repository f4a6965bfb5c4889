import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { directPage, type RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { bucketSubject, dueSubject, SLOTS_KEY } from '@runledger/wire';
import { Cell, isReady } from './reconciler-service.ts';
import { begin, startRun, succeed } from './sample-runs.ts';

const FAST = {
  RUNLEDGER_SWEEP_S: '1',
  RUNLEDGER_SWEEP_AFTER_S: '1',
  RUNLEDGER_STRANDED_SWEEP_S: '1',
  RUNLEDGER_STRANDED_AFTER_S: '1',
};

let cell: Cell;
let replicas: RunningService[] = [];

beforeAll(async () => {
  Object.assign(process.env, FAST);
  cell = await Cell.start();
});
afterAll(async () => {
  for (const name of Object.keys(FAST)) delete process.env[name];
  await Promise.all(replicas.map((replica) => replica.close()));
  await cell.stop();
});

/** How often the schedulers, of which there are none here, were asked to look at the run. */
async function asked({ tenant_id, run_id }: RunAddress): Promise<number> {
  const next_by_subj = dueSubject('admission', tenant_id, run_id, 'settle');
  return (await directPage(cell.broker.nc, 'TIMERS', { seq: 1, next_by_subj }, 5_000)).length;
}

async function counted(metric: string, outcome: string): Promise<number[]> {
  const line = new RegExp(`${metric}\\{[^}]*outcome="${outcome}"[^}]*\\} (\\d+)`);
  return Promise.all(
    replicas.map(async ({ opsUrl }) =>
      Number(line.exec(await (await fetch(`${opsUrl}/metrics`)).text())?.[1] ?? 0),
    ),
  );
}

const STRANDED = 'runledger_stranded_suspects_total';
const SLOTS = 'runledger_slots_looked_at_total';

describe('three reconcilers at once', () => {
  it('ask the schedulers, once each, for a queued run that they do not know and for a slot of a run that has ended', async () => {
    const [unknown, over, busy] = [
      await startRun(cell.log, 'acme'),
      await startRun(cell.log, 'acme'),
      await startRun(cell.log, 'acme'),
    ];
    for (const address of [over, busy]) await cell.log.execute(address, () => begin());
    await cell.log.execute(over, succeed);
    const granted = [over, busy].map((address) => ({ ...address, dispatch: 1 }));
    await cell.broker.js.publish(
      bucketSubject('admission', SLOTS_KEY),
      JSON.stringify({ number: 1, granted, released: [] }),
    );
    replicas = await Promise.all([1, 2, 3].map(() => cell.reconciler()));
    await waitFor(async () => (await Promise.all(replicas.map(isReady))).every(Boolean), {
      describe: 'three reconcilers that are ready',
    });
    await waitFor(async () => (await asked(unknown)) > 0 && (await asked(over)) > 0, {
      timeoutMs: 30_000,
      describe: 'the schedulers to be asked',
    });
    // Every replica has looked at both since.
    await waitFor(
      async () =>
        (await counted(STRANDED, 'unadmitted')).every((count) => count >= 2) &&
        (await counted(SLOTS, 'asked')).every((count) => count >= 2),
      { timeoutMs: 30_000, describe: 'every replica to find both asked for' },
    );
    expect([await asked(unknown), await asked(over), await asked(busy)]).toEqual([1, 1, 0]);
    const total = async (metric: string, outcome: string): Promise<number> =>
      (await counted(metric, outcome)).reduce((sum, count) => sum + count, 0);
    expect([await total(STRANDED, 'asked'), await total(SLOTS, 'unused')]).toEqual([1, 1]);
  });
});
