import { setTimeout as pause } from 'node:timers/promises';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';

/** The client's type does not know `next_by_subj`, which the request has taken since 2.9. */
type MessageQuery = Parameters<JetStreamManager['streams']['getMessage']>[1];

/** How erasing leaves the broker time for others. */
export interface Pace {
  /** The rest after each overwritten message, in times of what overwriting it took. */
  rest: number;
  signal?: AbortSignal | undefined;
}

/**
 * The messages of one filter, oldest first, as the leader has them now. Each is asked for when the one before has been
 * dealt with, so that what is deleted meanwhile, also by others, is not met.
 */
export async function* messagesOf(
  jsm: JetStreamManager,
  stream: string,
  filter: string,
): AsyncIterable<StoredMsg> {
  for (let from = 1; ;) {
    const query = { seq: from, next_by_subj: filter } as MessageQuery;
    const message = await jsm.streams.getMessage(stream, query);
    if (!message) return;
    yield message;
    from = message.seq + 1;
  }
}

/**
 * Deletes one message and has the broker overwrite its bytes at once (purging, or deleting a key, leaves them in the
 * file). Overwriting costs the broker a reading and a syncing of the message's block, during which appends wait: so it is done
 * one by one, with a rest. Answers false when another was first.
 */
export async function overwrite(
  jsm: JetStreamManager,
  stream: string,
  seq: number,
  pace: Pace,
): Promise<boolean> {
  pace.signal?.throwIfAborted();
  const begun = performance.now();
  try {
    await jsm.streams.deleteMessage(stream, seq, true);
  } catch (error) {
    if (await jsm.streams.getMessage(stream, { seq })) throw error;
    return false;
  }
  await pause((performance.now() - begun) * pace.rest);
  return true;
}

/** Overwrites every message of a filter, from the first to the last. Answers how many this call did. */
export async function overwriteAll(
  jsm: JetStreamManager,
  stream: string,
  filter: string,
  pace: Pace,
): Promise<number> {
  let count = 0;
  for await (const { seq } of messagesOf(jsm, stream, filter))
    if (await overwrite(jsm, stream, seq, pace)) count += 1;
  return count;
}
