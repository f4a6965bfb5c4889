import { request, type Network } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { Delivery, Durable } from './durable.ts';

/** The answer of a handler whose message is somebody else's to ack. */
export const KEEP = Symbol('keep');
export type Handled = void | typeof KEEP;

export interface Consumer<M> {
  network: Network;
  process: SimulatedProcess;
  slots: number;
  /** Messages with the same key are handled one after the other. */
  serialBy?: (message: M) => string;
  /** `freeSlot`: what is left of the handler costs next to nothing. */
  handle: (delivery: Delivery<M>, freeSlot: () => void) => Promise<Handled>;
}

const FAULT_DELAY_MS = [250, 5_000] as const;

/** A durable consumer in a process: kept while the handler is at work, acked when it is done, nakked when it failed. */
export function consume<M>(durable: Durable<M>, consumer: Consumer<M>): { end: () => void } {
  const { network, process, handle, serialBy, slots } = consumer;
  const turns = new Map<string, Promise<void>>();
  const tell = (what: () => void): void => void request(network, process, what).catch(() => undefined);
  const settle = async (
    delivery: Delivery<M>,
    before: Promise<void> | undefined,
    freeSlot: () => void,
  ): Promise<void> => {
    const stop = process.timing.every(durable.ackWaitMs / 3, () => tell(() => durable.working(delivery.id)));
    try {
      await before;
      if (network.faults.strikes('handler_fault')) throw new Error('the handler fails');
      const handled = await handle(delivery, freeSlot);
      if (handled !== KEEP) tell(() => durable.acknowledge(delivery.id));
    } catch {
      const [least, most] = FAULT_DELAY_MS;
      const delay = Math.min(most, least * 2 ** Math.min(delivery.delivery - 1, 8));
      tell(() => durable.putBack(delivery.id, delay));
    } finally {
      stop();
    }
  };
  const subscription = durable.subscribe({
    process,
    slots,
    take: (delivery) => {
      const key = serialBy?.(delivery.message);
      let isFree = false;
      const freeSlot = (): void => {
        if (!isFree) process.run(() => subscription.done());
        isFree = true;
      };
      const before = key === undefined ? undefined : turns.get(key);
      const turn = settle(delivery, before, freeSlot).finally(() => {
        if (key !== undefined && turns.get(key) === turn) turns.delete(key);
        freeSlot();
      });
      if (key !== undefined) turns.set(key, turn);
    },
  });
  return { end: subscription.end };
}
