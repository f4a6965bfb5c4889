import { directPage } from '@runledger/run-log';
import { runSubject } from '@runledger/wire';
import type { Figure } from '../figure.ts';
import type { Bench, Measure } from '../measure.ts';
import { median } from '../spread.ts';
import { TENANT } from '../system/system.ts';

/** Repetitions of each way in one round. */
const TIMES = 5;

interface Took {
  ndjson: number[];
  sse: number[];
  raw: number[];
}

export const replay: Measure = {
  name: 'replay',
  method:
    "Reading an ended run whole: as NDJSON and as SSE over HTTP, to the last byte. Raw: batch direct get of the same messages from the same broker, in the bench's process.",
  async run(bench) {
    const packed = await ended(bench, 'burst', { count: 10_000, bytes: 300 });
    const single = await ended(bench, 'ticker', { count: 1_000, every_ms: 0 });
    const ofPacked = await took(bench, packed, 10_000);
    const ofSingle = await took(bench, single, 1_000);
    return {
      figures: [
        ...figures('10,000 events, packed', ofPacked),
        ...figures('1,000 events, one to a commit', ofSingle),
      ],
    };
  },
};

async function ended({ system, ends }: Bench, agent: string, input: object): Promise<string> {
  const { run_id } = await system.api.start(agent, input);
  const { status } = await ends.of(run_id);
  if (status !== 'run.succeeded') throw new Error(`${agent} ended with ${status}`);
  return run_id;
}

function figures(label: string, { ndjson, sse, raw }: Took): Figure[] {
  const limit = median(raw);
  return [
    {
      label: `${label}, NDJSON`,
      unit: 'ms',
      better: 'lower',
      product: median(ndjson),
      raw: limit,
      target: { ratio: 2 },
    },
    {
      label: `${label}, SSE`,
      unit: 'ms',
      better: 'lower',
      product: median(sse),
      raw: limit,
      target: { ratio: 3 },
    },
  ];
}

async function took({ system, rounds }: Bench, runId: string, events: number): Promise<Took> {
  const times: Took = { ndjson: [], sse: [], raw: [] };
  const timed = async (into: number[] | undefined, read: () => Promise<number>): Promise<void> => {
    const from = performance.now();
    const read_ = await read();
    into?.push(performance.now() - from);
    if (read_ < events) throw new Error(`${read_} of ${events} events were read`);
  };
  for (let index = -1; index < rounds * TIMES; index += 1) {
    // The first of each is for warmth.
    const into: Partial<Took> = index < 0 ? {} : times;
    await timed(
      into.ndjson,
      async () => (await system.api.lines(`/runs/${runId}/events`, 'application/x-ndjson')).lines,
    );
    await timed(into.raw, () => direct(system.broker, runId));
    await timed(into.sse, async () => {
      let count = 0;
      await system.api.stream(`/runs/${runId}/stream`, () => (count += 1)).ended;
      return count;
    });
  }
  return times;
}

async function direct(broker: Bench['system']['broker'], runId: string): Promise<number> {
  const filter = runSubject(TENANT, runId);
  let last = 0;
  for (let next = 1; ;) {
    const page = await directPage(broker.nc, 'RUNS', { seq: next, next_by_subj: filter }, 10_000);
    for (const { seq, headers } of page) {
      next = seq + 1;
      last = Number(headers.get('Run-Last'));
      if (headers.get('Run-Types').endsWith('run.succeeded')) return last;
    }
    if (page.length === 0) return last;
  }
}
