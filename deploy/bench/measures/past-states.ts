import type { Measure } from '../measure.ts';
import { percentile } from '../spread.ts';

const EVENTS = 100_000;
const TIMES = 200;

export const pastStates: Measure = {
  name: 'past-states',
  method: `GET /runs/{run_id}?at= of ${TIMES} random events of a run of ${EVENTS} events, one after the other. The first answer reads the log; those after it begin at what it kept.`,
  async run({ system, ends }) {
    const { run_id } = await system.api.start('burst', { count: EVENTS, bytes: 200 });
    const { status } = await ends.of(run_id);
    if (status !== 'run.succeeded') throw new Error(`burst ended with ${status}`);
    const took: number[] = [];
    for (let time = 0; time < TIMES; time += 1) {
      // The first is the costliest that there is: nearly all of the run, with nothing kept.
      const seq = time === 0 ? EVENTS - 1 : 1 + Math.floor(Math.random() * EVENTS);
      const from = performance.now();
      const run = await system.api.json<{ seq: number }>(`/runs/${run_id}?at=${seq}`);
      took.push(performance.now() - from);
      if (run.seq !== seq) throw new Error(`asked for ${seq}, answered ${run.seq}`);
    }
    const [first = 0] = took;
    return {
      figures: [
        { label: 'the first', unit: 'ms', better: 'lower', product: first },
        { label: 'p50', unit: 'ms', better: 'lower', product: percentile(took, 0.5) },
        {
          label: 'p95',
          unit: 'ms',
          better: 'lower',
          product: percentile(took, 0.95),
          target: { value: 100 },
        },
      ],
    };
  },
};
