/** A process that does raw work on orders of the bench: `node worker.ts <broker url> <name>`. */
import { connectBroker, type Broker } from '@runledger/nest-jetstream';
import { writeAdaptively } from './adaptive-writer.ts';
import type { Answer, Order } from './orders.ts';
import { RawRuns } from './raw-runs.ts';
import { BareSseServer } from './sse-server.ts';

const [, , url = '', name = 'raw'] = process.argv;
const broker: Broker = await connectBroker({ url, name, waitMs: 10_000 });
let sse = new BareSseServer();

process.on('message', (order: Order) => void answer(order));
process.on('disconnect', () => process.exit(0));
tell({ value: 'ready' });

async function answer(order: Order): Promise<void> {
  try {
    tell({ value: await obey(order) });
  } catch (error) {
    tell({ error: error instanceof Error ? error.message : String(error) });
  }
}

function tell(said: Answer): void {
  process.send?.(said);
}

async function obey(order: Order): Promise<number | string> {
  switch (order.do) {
    case 'runs':
      return runs(order);
    case 'log':
      return log(order);
    case 'adaptive':
      return writeAdaptively(broker, order);
    case 'listen':
      sse = new BareSseServer();
      return sse.listen();
    case 'emit':
      await sse.emit(order.emission);
      sse.close();
      return 0;
  }
}

async function runs({ template, inFlight, seconds }: Extract<Order, { do: 'runs' }>): Promise<number> {
  const raw = new RawRuns(broker, template, name);
  await raw.listen();
  const until = performance.now() + seconds * 1_000;
  const from = performance.now();
  let count = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < until) {
      await raw.run();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const perSecond = count / ((performance.now() - from) / 1_000);
  await raw.stop();
  return perSecond;
}

async function log({ template, runs: wanted }: Extract<Order, { do: 'log' }>): Promise<number> {
  const raw = new RawRuns(broker, template, name);
  let left = wanted;
  const one = async (): Promise<void> => {
    while (left-- > 0) await raw.log();
  };
  await Promise.all(Array.from({ length: 128 }, one));
  return wanted;
}
