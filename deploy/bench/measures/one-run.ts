import { inTurn, type Bench, type Measure } from '../measure.ts';
import { median } from '../spread.ts';

const BYTES = 100;
/** Events of one round for every second that a round may take. */
const EVENTS_PER_SECOND = 30_000;

export const oneRun: Measure = {
  name: 'one-run',
  method: `Events per second of one run of burst (${BYTES} characters each), from its attempt's begin to its end. Raw: one writer of one subject, one append in flight, packing what is made meanwhile.`,
  async run(bench) {
    await burst(bench, 5_000);
    const { product, raw } = await inTurn(
      bench.rounds,
      () => burst(bench, Math.round(EVENTS_PER_SECOND * bench.seconds)),
      () => adaptive(bench),
    );
    return {
      figures: [
        {
          label: 'events per second',
          unit: '/s',
          better: 'higher',
          product: median(product),
          raw: median(raw),
          target: { ratio: 0.5 },
        },
      ],
    };
  },
};

async function burst({ system, ends }: Bench, count: number): Promise<number> {
  const { run_id } = await system.api.start('burst', { count, bytes: BYTES });
  const end = await ends.of(run_id);
  const begin = ends.startedAt(run_id);
  if (begin === undefined || end.status !== 'run.succeeded')
    throw new Error(`burst ended with ${end.status}`);
  return count / ((end.at - begin) / 1_000);
}

function adaptive({ raw, seconds }: Bench): Promise<number> {
  const [worker] = raw.workers;
  if (!worker) throw new Error('there is no raw process');
  return worker.number({ do: 'adaptive', seconds, bytes: BYTES });
}
