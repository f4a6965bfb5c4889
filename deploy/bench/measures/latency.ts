import { setTimeout as pause } from 'node:timers/promises';
import { newRunId, RawRuns } from '../raw/raw-runs.ts';
import { inTurn, W10, type Bench, type Measure } from '../measure.ts';
import { median, percentile } from '../spread.ts';

/** Starts of one round; the raw side makes as many publishes. */
const SAMPLES = 100;
/** What goes on after a run's end (its slot, its view) is not to meet the next start. */
const REST_MS = 15;

interface Sample {
  accepted: number;
  frame: number;
  event: number;
  end: number;
}

export const latency: Measure = {
  name: 'latency',
  method:
    'One run of W10 at a time: POST start, then GET its stream; ms from sending the start. Raw: one fsynced publish of the same first commit, one in flight.',
  async run(bench) {
    await starts(bench, 30);
    const { product, raw } = await inTurn(
      bench.rounds,
      () => starts(bench, SAMPLES),
      () => publishes(bench, SAMPLES),
    );
    const samples = product.flat();
    const publish = raw.flat();
    const line = (
      label: string,
      key: keyof Sample,
      p: number,
      target?: { ratio: number },
    ): {
      label: string;
      unit: string;
      better: 'lower';
      product: number;
      raw: number;
      target?: { ratio: number };
    } => ({
      label,
      unit: 'ms',
      better: 'lower',
      product: percentile(
        samples.map((sample) => sample[key]),
        p,
      ),
      raw: percentile(publish, p),
      ...(target ? { target } : {}),
    });
    return {
      figures: [
        line('accepted p50', 'accepted', 0.5, { ratio: 3 }),
        line('accepted p99', 'accepted', 0.99),
        line('first frame at the follower p50', 'frame', 0.5),
        line("the agent's first event at the follower p50", 'event', 0.5, { ratio: 8 }),
        line("the agent's first event at the follower p99", 'event', 0.99),
        line('end at the follower p50', 'end', 0.5),
        line('end at the follower p99', 'end', 0.99),
      ],
      notes: [
        `median of the rounds' accepted p50: ${medians(product)
          .map((ms) => ms.toFixed(2))
          .join(', ')} ms`,
      ],
    };
  },
};

const medians = (rounds: Sample[][]): number[] =>
  rounds.map((round) => median(round.map(({ accepted }) => accepted)));

async function starts({ system, ends }: Bench, count: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let index = 0; index < count; index += 1) {
    const sample: Sample = { accepted: 0, frame: Number.NaN, event: Number.NaN, end: Number.NaN };
    const from = performance.now();
    const { run_id } = await system.api.start(W10.agent, W10.input);
    sample.accepted = performance.now() - from;
    const stream = system.api.stream(`/runs/${run_id}/stream`, (_seq, type) => {
      const at = performance.now() - from;
      if (Number.isNaN(sample.frame)) sample.frame = at;
      if (Number.isNaN(sample.event) && type === 'log.written') sample.event = at;
      if (type === 'run.succeeded') sample.end = at;
    });
    await stream.ended;
    if (Number.isNaN(sample.end)) throw new Error(`run ${run_id} was not followed to a good end`);
    samples.push(sample);
    await pause(REST_MS);
  }
  ends.forget();
  return samples;
}

async function publishes({ raw, template }: Bench, count: number): Promise<number[]> {
  const runs = new RawRuns(raw.broker, template, 'latency');
  const took: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const runId = newRunId();
    const from = performance.now();
    await runs.append(runId, 0, 0);
    took.push(performance.now() - from);
    await pause(REST_MS);
  }
  return took;
}
