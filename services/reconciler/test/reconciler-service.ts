import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { JetStreamRunLog, type RunLog } from '@runledger/run-log';
import { readSettings, startService, type RunningService, type Settings } from '@runledger/service-host';
import { startBroker, temporaryFolder, type TemporaryFolder, type TestBroker } from '@runledger/testkit';
import { reconcilerDefinition } from '../src/module.ts';

/** A real broker with the product's streams, a data folder, and reconcilers on both. */
export class Cell {
  private constructor(
    readonly server: TestBroker,
    readonly broker: Broker,
    readonly home: TemporaryFolder,
    readonly log: RunLog,
  ) {}

  static async start(): Promise<Cell> {
    const server = await startBroker();
    const broker = await connectBroker({ url: server.url, name: 'reconciler specs' });
    await bootstrap(broker, LAYOUT);
    return new Cell(
      server,
      broker,
      await temporaryFolder(),
      new JetStreamRunLog(broker, { writer: 'spec/1' }),
    );
  }

  get env(): NodeJS.ProcessEnv {
    return { RUNLEDGER_NATS_URL: this.server.url, RUNLEDGER_HOME: this.home.path, RUNLEDGER_LOG: 'silent' };
  }

  settings(): Settings {
    return readSettings(this.env);
  }

  reconciler(env: NodeJS.ProcessEnv = {}): Promise<RunningService> {
    return startService(reconcilerDefinition, readSettings({ ...this.env, ...env }));
  }

  async stop(): Promise<void> {
    await this.log.close();
    await this.broker.close();
    await this.server.stop();
    await this.home.remove();
  }
}

export async function isReady(service: RunningService): Promise<boolean> {
  return (await fetch(`${service.opsUrl}/readyz`)).ok;
}
