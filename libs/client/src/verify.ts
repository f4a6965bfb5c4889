import type { Run, StoredEvent } from './api-shapes.ts';
import { DigestChain } from './digest-chain.ts';
import { DigestMismatchError } from './errors.ts';

/** An event with the run's digest after it, computed from the received lines. */
export interface VerifiedEvent extends StoredEvent {
  digest: string;
}

/**
 * Adds the digest to each event and checks the last one against the run. `before` brings the events up to where `events`
 * begin, for a digest is made of all lines from the first.
 */
export async function* verified(
  before: AsyncIterable<StoredEvent>,
  events: AsyncIterable<StoredEvent>,
  readRun: () => Promise<Run>,
): AsyncGenerator<VerifiedEvent, void> {
  const chain = new DigestChain();
  let last = 0;
  for await (const event of before) {
    await chain.push(event.line);
    last = event.seq;
  }
  for await (const event of events) {
    last = event.seq;
    yield { ...event, digest: await chain.push(event.line) };
  }
  const run = await readRun();
  if (run.seq === last && run.digest !== chain.digest)
    throw new DigestMismatchError(last, run.digest, chain.digest);
}
