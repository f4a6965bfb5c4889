import type { JetStreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';

/** The client's type does not know `next_by_subj`, which the request has taken since 2.9. */
type MessageQuery = Parameters<JetStreamManager['streams']['getMessage']>[1];

export interface LeaderMessage {
  subject: string;
  seq: number;
  header: MsgHdrs;
  string(): string;
}

/**
 * Whether the only server there is answers: then no replica can be behind, and a direct get reads what the leader has.
 * It costs the broker and the caller less than STREAM.MSG.GET, which goes through the API's queue and base64.
 */
export const isAlone = ({ info }: Pick<NatsConnection, 'info'>): boolean =>
  info?.jetstream === true && info.cluster === undefined;

/** One message as the stream's leader has it; null when there is none. Rejects with what the client throws. */
export function leaderMessage(
  nc: Pick<NatsConnection, 'info'>,
  jsm: JetStreamManager,
  stream: string,
  query: { last_by_subj: string } | { seq: number; next_by_subj: string },
): Promise<LeaderMessage | null> {
  const asked = query as MessageQuery;
  return isAlone(nc) ? jsm.direct.getMessage(stream, asked) : jsm.streams.getMessage(stream, asked);
}
