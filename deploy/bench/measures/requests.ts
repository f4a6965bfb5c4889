import type { Measure } from '../measure.ts';
import { RunEnds } from '../run-ends.ts';
import { startTallyProxy, type TallyProxy } from '../system/tally-proxy.ts';
import { startSystem } from '../system/system.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { keepInFlight } from './runs.ts';

/** Until what follows a run's end is over. */
const SETTLE_MS = 1_000;
/** What is asked less often than this per run has nothing to do with the runs. */
const LEAST = 0.02;

export const requests: Measure = {
  name: 'requests',
  method:
    'What the services ask of the broker for one run of W10, 64 in flight, counted on the wire between them. Slower than "runs": only the counts are of use.',
  async run({ system: { setup }, seconds }) {
    const proxies: TallyProxy[] = [];
    const system = await startSystem(setup, {
      brokerUrlFor: async (server) => {
        const proxy = await startTallyProxy(server.port);
        proxies.push(proxy);
        return proxy.url;
      },
    });
    const [proxy] = proxies;
    if (!proxy) throw new Error('there is no proxy');
    const ends = new RunEnds(system.broker);
    try {
      await system.broker.nc.flush();
      await keepInFlight({ system, ends }, 1);
      await pause(SETTLE_MS);
      proxy.clear();
      const { count } = await keepInFlight({ system, ends }, seconds);
      await pause(SETTLE_MS);
      const perRun = [...proxy.counts].map(([what, times]) => ({ what, times: times / count }));
      return {
        figures: [
          {
            label: 'operations in all',
            unit: 'per run',
            better: 'lower',
            product: perRun.reduce((sum, { times }) => sum + times, 0),
          },
          ...perRun
            .filter(({ times }) => times >= LEAST)
            .sort((a, b) => b.times - a.times)
            .map(({ what, times }) => ({ label: what, unit: '', better: 'lower' as const, product: times })),
        ],
        notes: [`${count} runs`],
      };
    } finally {
      ends.close();
      await system.stop();
      proxy.close();
    }
  },
};
