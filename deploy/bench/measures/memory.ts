import { setTimeout as pause } from 'node:timers/promises';
import type { Measure } from '../measure.ts';
import { startRawSide } from '../raw/raw-side.ts';
import { startSystem } from '../system/system.ts';
import { residentMib, treeMib } from '../system/usage.ts';

const SETTLE_MS = 10_000;

export const memory: Measure = {
  name: 'memory',
  method: `Resident memory ${SETTLE_MS / 1_000} s after a fresh start without load: every process of the services, and the broker. Raw: a broker with the same streams, and as many bare Node processes connected to it.`,
  async run({ system: { setup } }) {
    const system = await startSystem(setup);
    const raw = await startRawSide(system.pids().length);
    try {
      await pause(SETTLE_MS);
      const services = await sum(system.pids().map(treeMib));
      const broker = await residentMib(system.server.pid);
      const rawProcesses = await sum(raw.workers.map(({ pid }) => treeMib(pid)));
      const rawBroker = await residentMib(raw.server.pid);
      const target = setup === 'one process' ? { target: { value: 350 } } : {};
      return {
        figures: [
          { label: 'services', unit: 'MiB', better: 'lower', product: services, raw: rawProcesses },
          { label: 'broker', unit: 'MiB', better: 'lower', product: broker, raw: rawBroker },
          {
            label: 'together',
            unit: 'MiB',
            better: 'lower',
            product: services + broker,
            raw: rawProcesses + rawBroker,
            ...target,
          },
        ],
      };
    } finally {
      await system.stop();
      await raw.stop();
    }
  },
};

async function sum(values: Promise<number>[]): Promise<number> {
  return (await Promise.all(values)).reduce((total, value) => total + value, 0);
}
