import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { startBroker, type TestBroker } from '@runledger/testkit';
import { erasedSubject, runSubject } from '@runledger/wire';
import { JetStreamRunLog, type RunAddress, type RunLog } from '../src/index.ts';
import type { RunLogOptions } from '../src/engine/commit-run-log.ts';

export interface LogServer {
  server: TestBroker;
  broker: Broker;
  open(writer: string, options?: Partial<RunLogOptions>): RunLog;
  beginErasing(address: RunAddress): Promise<void>;
  close(): Promise<void>;
}

/** A real broker with the product's streams. */
export async function startLogServer(): Promise<LogServer> {
  const server = await startBroker();
  const broker = await connectBroker({ url: server.url, name: 'run-log specs' });
  await bootstrap(broker, LAYOUT);
  return {
    server,
    broker,
    open: (writer, options) => new JetStreamRunLog(broker, { writer, ...options }),
    beginErasing: (address) => beginErasing(broker, address),
    close: async () => {
      await broker.close();
      await server.stop();
    },
  };
}

/** As the reconciler does: the tombstone, then the first commit. */
export async function beginErasing(broker: Broker, { tenant_id, run_id }: RunAddress): Promise<void> {
  const jsm = await broker.jsm();
  await broker.js.publish(erasedSubject(tenant_id, run_id), '{}');
  const query = { seq: 1, next_by_subj: runSubject(tenant_id, run_id) } as unknown as { seq: number };
  const first = await jsm.streams.getMessage('RUNS', query);
  if (first) await jsm.streams.deleteMessage('RUNS', first.seq, true);
}
