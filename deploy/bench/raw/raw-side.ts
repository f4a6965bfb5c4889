import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { startMeasuredBroker, type MeasuredBroker } from '../system/measured-broker.ts';
import { ADAPTIVE_PREFIX, ADAPTIVE_STREAM } from './adaptive-writer.ts';
import type { Answer, Order } from './orders.ts';

/** A broker with the product's own streams, and as many processes as the product has, which do only what must be done. */
export interface RawSide {
  server: MeasuredBroker;
  broker: Broker;
  workers: RawWorker[];
  stop(): Promise<void>;
}

export class RawWorker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(url: string, name: string): Promise<RawWorker> {
    const child = fork(join(import.meta.dirname, 'worker.ts'), [url, name], { execArgv: [] });
    const worker = new RawWorker(child);
    await worker.#answer();
    return worker;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async number(order: Order): Promise<number> {
    return Number(await this.#obey(order));
  }

  async text(order: Order): Promise<string> {
    return String(await this.#obey(order));
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #obey(order: Order): Promise<number | string> {
    const answer = this.#answer();
    this.#child.send(order);
    return answer;
  }

  async #answer(): Promise<number | string> {
    const gone = new AbortController();
    const onExit = (): void => gone.abort();
    this.#child.once('exit', onExit);
    try {
      const [{ value, error }] = (await once(this.#child, 'message', { signal: gone.signal })) as [Answer];
      if (value === undefined) throw new Error(`a raw process failed: ${error}`);
      return value;
    } finally {
      this.#child.off('exit', onExit);
    }
  }
}

export async function startRawSide(processes: number): Promise<RawSide> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.adopt(await startMeasuredBroker(), (started) => started.stop());
  const broker = cleanup.adopt(await connectBroker({ url: server.url, name: 'raw bench' }), (made) =>
    made.close(),
  );
  await bootstrap(broker, LAYOUT);
  const jsm = await broker.jsm();
  const { config } = await jsm.streams.info('RUNS');
  await jsm.streams.add({
    ...config,
    name: ADAPTIVE_STREAM,
    subjects: [`${ADAPTIVE_PREFIX}.*.*`],
    republish: { src: `${ADAPTIVE_PREFIX}.>`, dest: `live.${ADAPTIVE_PREFIX}.>` },
  });
  const workers: RawWorker[] = [];
  cleanup.defer(async () => void (await Promise.all(workers.map((worker) => worker.end()))));
  for (let index = 0; index < processes; index += 1)
    workers.push(await RawWorker.start(server.url, `raw${index}`));
  const owned = cleanup.move();
  return { server, broker, workers, stop: () => owned.disposeAsync() };
}
