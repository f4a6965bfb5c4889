import type { StoredEvent } from './api-shapes.ts';
import { DigestChain } from './digest-chain.ts';
import { ApiError, DigestMismatchError, UnreachableError } from './errors.ts';
import { firstMismatch, type RunDigest } from './first-mismatch.ts';
import { isFatal } from './leg.ts';
import { endsRun } from './stored-event.ts';

/** An event with the run's digest after it, computed from the received lines. */
export interface VerifiedEvent extends StoredEvent {
  digest: string;
}

export interface VerifiedSource {
  /** The events up to where `events` begin, for a digest is made of all lines from the first. */
  before: AsyncIterable<StoredEvent>;
  events: AsyncIterable<StoredEvent>;
  /** The run now, or as it was after event `at`. */
  read: (at?: number) => Promise<RunDigest>;
}

/** The run is asked for its digest again after so many events, or so many ms, whichever comes first. */
const CHECK_EVENTS = 1_000;
const CHECK_MS = 10_000;

/**
 * Adds the digest to each event and checks them against the run's while they come. The run's end is passed on only after
 * everything before it was found to be right. Throws DigestMismatchError, which names the first event that is not.
 */
export async function* verified(source: VerifiedSource): AsyncGenerator<VerifiedEvent, void> {
  const check = new RunCheck(source.read);
  for await (const event of source.before) await check.take(event);
  for await (const event of source.events) {
    const digest = await check.take(event);
    if (endsRun(event.type)) await check.finish();
    yield { ...event, digest };
  }
  await check.finish();
}

class RunCheck {
  readonly #chain = new DigestChain();
  readonly #read: VerifiedSource['read'];
  #seq = 0;
  /** Up to here everything is as the run has it. */
  #good = 0;
  /** Digests after the events from `good + 1` on. */
  #trail: string[] = [];
  /** What the run was seen to be, ahead of what has been received. */
  #ahead: RunDigest | undefined;
  #askedAt = { seq: 0, ms: -Infinity };

  constructor(read: VerifiedSource['read']) {
    this.#read = read;
  }

  async take({ seq, line }: StoredEvent): Promise<string> {
    this.#seq = seq;
    const digest = this.#chain.push(line);
    this.#trail.push(digest);
    if (!this.#ahead && this.#isDue()) this.#ahead = await this.#now();
    if (this.#ahead && this.#ahead.seq <= seq) {
      await this.#compare(this.#ahead);
      this.#ahead = undefined;
    }
    return digest;
  }

  async finish(): Promise<void> {
    if (this.#good === this.#seq) return;
    const now = await this.#read();
    await this.#compare(now.seq > this.#seq ? await this.#read(this.#seq) : now);
    if (now.seq < this.#seq)
      throw new DigestMismatchError(now.seq + 1, 'no such event', this.#digestAfter(now.seq + 1));
  }

  #isDue(): boolean {
    const { seq, ms } = this.#askedAt;
    return this.#seq - seq >= CHECK_EVENTS || performance.now() - ms >= CHECK_MS;
  }

  /** Undefined: it cannot be asked at the moment, and is asked again later. */
  async #now(): Promise<RunDigest | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      const passes = (error instanceof ApiError || error instanceof UnreachableError) && !isFatal(error);
      if (!passes) throw error;
      return undefined;
    } finally {
      this.#askedAt = { seq: this.#seq, ms: performance.now() };
    }
  }

  /** `run` is of an event that was received. */
  async #compare(run: RunDigest): Promise<void> {
    if (run.seq <= this.#good) return;
    if (this.#digestAfter(run.seq) !== run.digest) throw await this.#firstWrong(run);
    this.#trail.splice(0, run.seq - this.#good);
    this.#good = run.seq;
  }

  async #firstWrong(run: RunDigest): Promise<DigestMismatchError> {
    const range = { right: this.#good, wrong: run };
    const { from, seq, expected } = await firstMismatch((at) => this.#digestAfter(at), this.#read, range);
    return new DigestMismatchError(seq, expected, this.#digestAfter(seq), from);
  }

  #digestAfter(seq: number): string {
    return this.#trail[seq - this.#good - 1] ?? '';
  }
}
