import { Kvm } from '@nats-io/kv';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import type { EventData } from '@runledger/run';
import { directPage, JetStreamRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import { readSettings, startService, type RunningService } from '@runledger/service-host';
import { startBroker, temporaryFolder } from '@runledger/testkit';
import { ulid } from 'ulid';
import { someone, someStart } from '../../../libs/run-log/test/samples.ts';
import { schedulerDefinition } from '../src/module.ts';

/** A real broker and any number of schedulers on it; the specs play gateway and executor. */
export interface SchedulerCell {
  broker: Broker;
  log: RunLog;
  schedulers: RunningService[];
  startScheduler: () => Promise<void>;
  /** A root run, appended and not yet seen by anybody. */
  start: (over: Partial<EventData['run.requested']>) => Promise<RunAddress>;
  end: (address: RunAddress) => Promise<void>;
  /** Runs whose work is on the queue, in the order in which they came there. */
  granted: () => Promise<RunAddress[]>;
  /** The run ids of a user's queue as they are shown. */
  positions: (tenantId: string, userId: string) => Promise<string[]>;
  stop: () => Promise<void>;
}

export async function startSchedulerCell(env: Record<string, string>): Promise<SchedulerCell> {
  const server = await startBroker();
  const home = await temporaryFolder();
  const broker = await connectBroker({ url: server.url, name: 'scheduler specs' });
  await bootstrap(broker, LAYOUT);
  const log = new JetStreamRunLog(broker, { writer: 'gateway/spec' });
  const schedulers: RunningService[] = [];
  const settings = readSettings({
    RUNLEDGER_HOME: home.path,
    RUNLEDGER_NATS_URL: server.url,
    RUNLEDGER_LOG: 'silent',
    ...env,
  });
  return {
    broker,
    log,
    schedulers,
    startScheduler: async () => void schedulers.push(await startService(schedulerDefinition, settings)),
    start: (over) => startRun(log, over),
    end: async (address) => {
      await log.execute(address, () => ({
        type: 'RequestStop',
        by: someone,
        mode: 'cooperative',
        reason: 'spec',
      }));
    },
    granted: () => grantedOn(broker),
    positions: async (tenantId, userId) => {
      const queue = await new Kvm(broker.js).open('queue');
      return (await queue.get(`${tenantId}.${userId}`))?.json<{ run_ids: string[] }>().run_ids ?? [];
    },
    stop: async () => {
      await Promise.all(schedulers.map((scheduler) => scheduler.close()));
      await log.close();
      await broker.close();
      await server.stop();
      await home.remove();
    },
  };
}

async function startRun(log: RunLog, over: Partial<EventData['run.requested']>): Promise<RunAddress> {
  const address = { tenant_id: over.tenant_id ?? 'local', run_id: ulid() };
  const command = someStart(address);
  const request = { ...command.request, ...over };
  await log.completeStart(log.prepareStart({ ...command, request }, address), { fresh: true });
  return address;
}

async function grantedOn(broker: Broker): Promise<RunAddress[]> {
  const granted: RunAddress[] = [];
  for (let seq = 1; ;) {
    const page = await directPage(broker.nc, 'WORK', { seq, next_by_subj: 'work.>' }, 5_000);
    for (const message of page) {
      const [, , tenant_id = '', run_id = ''] = message.subject.split('.');
      granted.push({ tenant_id, run_id });
      seq = message.seq + 1;
    }
    if (page.length === 0) return granted;
  }
}
