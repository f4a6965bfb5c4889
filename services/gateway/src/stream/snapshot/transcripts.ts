import { setImmediate as otherWork } from 'node:timers/promises';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { admissionKey } from '@runledger/wire';
import { appendText, NOTHING_SAID, type Transcript } from './transcript.ts';

const REMEMBERED_RUNS = 64;
/** Events after which other requests have their turn. */
const TURN = 2_000;

/** Texts of runs, folded from the log up to its leader's last event, and carried on when they are asked for again. */
export class Transcripts {
  readonly #runs = new Map<string, Promise<Transcript>>();

  constructor(private readonly runLog: Pick<RunLog, 'commits'>) {}

  upToNow(address: RunAddress): Promise<Transcript> {
    const key = admissionKey(address.tenant_id, address.run_id);
    const before = this.#runs.get(key) ?? Promise.resolve(NOTHING_SAID);
    const next = before.catch(() => NOTHING_SAID).then((transcript) => this.#carryOn(address, transcript));
    this.#runs.delete(key);
    this.#runs.set(key, next);
    const oldest = this.#runs.keys().next();
    if (this.#runs.size > REMEMBERED_RUNS && !oldest.done) this.#runs.delete(oldest.value);
    return next;
  }

  async #carryOn(address: RunAddress, start: Transcript): Promise<Transcript> {
    const { last_seq, commits } = await this.runLog.commits(address, start.seq);
    // The log was restored to an earlier time: the log is right.
    if (last_seq < start.seq) return this.#carryOn(address, NOTHING_SAID);
    let transcript = start;
    let turn = TURN;
    for await (const { lines } of commits) {
      transcript = appendText(transcript, lines);
      if ((turn -= lines.length) > 0) continue;
      turn = TURN;
      await otherWork();
    }
    return transcript;
  }
}
