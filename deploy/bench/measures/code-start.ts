import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Figure } from '../figure.ts';
import type { Bench, Measure } from '../measure.ts';
import { startSystem, type System } from '../system/system.ts';
import { median } from '../spread.ts';

const AGENT = 'hello-code';
const TIMES = 5;
/** Until the pool has started the next host. */
const REFILL_MS = 1_500;

export const codeStart: Measure = {
  name: 'code-start',
  method:
    'A run of a code agent in a child process, from sending the start to its first own event at a follower. Raw: a Node process from spawn to its first line on stdout.',
  async run(bench) {
    const raw = await repeated(bareNode);
    const first: number[] = [];
    for (let round = 0; round < bench.rounds; round += 1) first.push(await firstOfSystem(bench));
    await firstEvent(bench.system);
    const warm = await repeated(() => firstEvent(bench.system));
    const empty = await repeated(async () =>
      Math.max(...(await Promise.all([1, 2].map(() => firstEvent(bench.system))))),
    );
    const figure = (label: string, times: number[]): Figure => ({
      label,
      unit: 'ms',
      better: 'lower',
      product: median(times),
      raw: median(raw),
    });
    return {
      figures: [
        figure('first run of a system just started', first),
        figure('a host is warm', warm),
        figure('the pool is empty (the later of two at once)', empty),
      ],
    };
  },
};

async function repeated(once_: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < TIMES; index += 1) {
    await pause(REFILL_MS);
    times.push(await once_());
  }
  return times;
}

async function firstOfSystem({ system: { setup } }: Bench): Promise<number> {
  const fresh = await startSystem(setup);
  try {
    return await firstEvent(fresh);
  } finally {
    await fresh.stop();
  }
}

async function firstEvent({ api }: System): Promise<number> {
  const from = performance.now();
  let took = Number.NaN;
  const { run_id } = await api.start(AGENT, { name: 'bench' });
  await api.stream(`/runs/${run_id}/stream`, (_seq, type) => {
    if (type === 'milestone.reached' && Number.isNaN(took)) took = performance.now() - from;
  }).ended;
  if (Number.isNaN(took)) throw new Error(`run ${run_id} of ${AGENT} reported no milestone`);
  return took;
}

async function bareNode(): Promise<number> {
  const from = performance.now();
  const child = spawn(process.execPath, ['-e', 'console.log("up")'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const took = performance.now() - from;
  if (child.exitCode === null) await once(child, 'exit');
  return took;
}
