import type { Broker } from '@runledger/nest-jetstream';
import { directPage, type RunAddress } from '@runledger/run-log';
import { ALL_RUNS, parseRunSubject } from '@runledger/wire';

const STREAM = 'RUNS';
const TIMEOUT_MS = 5_000;

/** The runs of the log's commits, some at a time. Begins near the end, where a crash of the views' store costs most. */
export class LogWalk {
  #next: number | undefined;

  constructor(private readonly broker: Pick<Broker, 'nc' | 'jsm'>) {}

  async next(commits: number): Promise<RunAddress[]> {
    const from = this.#next ?? (await this.#start(commits));
    const page = (
      await directPage(this.broker.nc, STREAM, { seq: from, next_by_subj: ALL_RUNS }, TIMEOUT_MS)
    ).slice(0, commits);
    const last = page.at(-1);
    this.#next = last ? last.seq + 1 : 1;
    return page.map(({ subject }) => parseRunSubject(subject));
  }

  async #start(commits: number): Promise<number> {
    const { state } = await (await this.broker.jsm()).streams.info(STREAM);
    return Math.max(1, state.last_seq - 10 * commits);
  }
}
