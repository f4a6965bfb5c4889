import type { Figure } from '../figure.ts';
import { inTurn, W10, type Bench, type Measure } from '../measure.ts';
import { median } from '../spread.ts';
import type { Traffic } from '../system/measured-broker.ts';
import { cpuMs } from '../system/usage.ts';

export const IN_FLIGHT = 64;
/** A fresh process is slow until what it runs often is compiled. */
const WARM_UP = { runs: 1_000, mostS: 20 };

interface Round {
  perSecond: number;
  services: number;
  broker: number;
  traffic: Traffic;
}

export const runs: Measure = {
  name: 'runs',
  method: `Runs of W10 to their end, ${IN_FLIGHT} in flight, no followers. Raw: the same commits, grants and work messages in as many processes, without HTTP and services.`,
  async run(bench) {
    await warmUp(bench);
    const { product, raw } = await inTurn(
      bench.rounds,
      () => productRound(bench, bench.seconds),
      () => rawRound(bench, bench.seconds),
    );
    const figure = (label: string, unit: string, of: (round: Round) => number): Figure => ({
      label,
      unit,
      better: 'lower',
      product: median(product.map(of)),
      raw: median(raw.map(of)),
    });
    return {
      figures: [
        {
          ...figure('runs per second', '/s', ({ perSecond }) => perSecond),
          better: 'higher',
          target: { ratio: 0.5 },
        },
        figure('processor time of the services per run', 'ms', ({ services }) => services),
        figure('processor time of the broker per run', 'ms', ({ broker }) => broker),
        figure('messages into the broker per run', '', ({ traffic }) => traffic.in_msgs),
        figure('messages out of the broker per run', '', ({ traffic }) => traffic.out_msgs),
        figure('requests to the JetStream API per run', '', ({ traffic }) => traffic.api),
      ],
      notes: [
        `rounds: product ${product.map(({ perSecond }) => Math.round(perSecond)).join(', ')}; raw ${raw.map(({ perSecond }) => Math.round(perSecond)).join(', ')} /s`,
      ],
    };
  },
};

/** Keeps so many runs in flight until the time is over. How many ended, and after how many ms. */
export async function keepInFlight(
  { system, ends }: Pick<Bench, 'system' | 'ends'>,
  seconds: number,
): Promise<{ count: number; ms: number }> {
  const from = performance.now();
  const until = from + seconds * 1_000;
  let count = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < until) {
      const { run_id } = await system.api.start(W10.agent, W10.input);
      const { status } = await ends.of(run_id);
      if (status !== 'run.succeeded') throw new Error(`run ${run_id} ended with ${status}`);
      count += 1;
    }
  };
  // None is left behind to meet the next measure.
  const loops = await Promise.allSettled(Array.from({ length: IN_FLIGHT }, one));
  const failed = loops.find((loop) => loop.status === 'rejected');
  if (failed) throw failed.reason;
  const ms = performance.now() - from;
  ends.forget();
  return { count, ms };
}

async function warmUp(bench: Bench): Promise<void> {
  const until = performance.now() + WARM_UP.mostS * 1_000;
  for (let count = 0; count < WARM_UP.runs && performance.now() < until;)
    count += (await keepInFlight(bench, 1)).count;
  await rawRound(bench, 2);
}

async function productRound(bench: Bench, seconds: number): Promise<Round> {
  const { system } = bench;
  return measured(
    () => keepInFlight(bench, seconds),
    () => cpuMs(system.pids()),
    () => cpuMs([system.server.pid]),
    () => system.server.traffic(),
  );
}

async function rawRound({ raw, template }: Bench, seconds: number): Promise<Round> {
  const inFlight = IN_FLIGHT / raw.workers.length;
  const load = async (): Promise<{ count: number; ms: number }> => {
    const from = performance.now();
    const each = await Promise.all(
      raw.workers.map((worker) => worker.number({ do: 'runs', template, inFlight, seconds })),
    );
    const ms = performance.now() - from;
    // Each worker's rate is over its own time; the processes were all loaded throughout.
    const perSecond = each.reduce((sum, rate) => sum + rate, 0);
    return { count: (perSecond * ms) / 1_000, ms };
  };
  return measured(
    load,
    () => cpuMs(raw.workers.map(({ pid }) => pid)),
    () => cpuMs([raw.server.pid]),
    () => raw.server.traffic(),
  );
}

async function measured(
  load: () => Promise<{ count: number; ms: number }>,
  services: () => Promise<number>,
  broker: () => Promise<number>,
  traffic: () => Promise<Traffic>,
): Promise<Round> {
  const look = (): Promise<[number, number, Traffic]> => Promise.all([services(), broker(), traffic()]);
  const before = await look();
  const { count, ms } = await load();
  const after = await look();
  const perRun = (key: keyof Traffic): number => (after[2][key] - before[2][key]) / count;
  return {
    perSecond: count / (ms / 1_000),
    services: (after[0] - before[0]) / count,
    broker: (after[1] - before[1]) / count,
    traffic: { in_msgs: perRun('in_msgs'), out_msgs: perRun('out_msgs'), api: perRun('api') },
  };
}
