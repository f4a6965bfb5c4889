import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { startBroker, type TestBroker } from '@runledger/testkit';
import { JetStreamRunLog, type RunLog } from '../src/index.ts';
import type { RunLogOptions } from '../src/engine/commit-run-log.ts';

export interface LogServer {
  server: TestBroker;
  broker: Broker;
  open(writer: string, options?: Partial<RunLogOptions>): RunLog;
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
    close: async () => {
      await broker.close();
      await server.stop();
    },
  };
}
