import { createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { LogUnavailable } from '../faults.ts';

/** The broker pushes a batch without flow control: a page is bounded by both. */
export const PAGE_BYTES = 1024 * 1024;
const PAGE_MESSAGES = 4_096;
const END_OF_BATCH = 204;
const NOT_FOUND = 404;

export interface DirectMessage {
  subject: string;
  seq: number;
  headers: MsgHdrs;
  data: Uint8Array;
  readonly text: string;
}

/** One page of a batch direct get: messages in stream order, empty when there are none. Throws LogUnavailable. */
export function directPage(
  nc: NatsConnection,
  stream: string,
  query: { seq: number; next_by_subj: string },
  timeoutMs: number,
  pageBytes = PAGE_BYTES,
): Promise<DirectMessage[]> {
  return new Promise<DirectMessage[]>((resolve, reject) => {
    const page: DirectMessage[] = [];
    const inbox = createInbox(inboxPrefixOf(nc));
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
      if (error) reject(unavailable(error));
      else resolve(page);
    };
    const subscription = nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error) return finish(error);
        const code = message.headers?.code ?? 0;
        if (code === END_OF_BATCH || code === NOT_FOUND) return finish();
        if (code !== 0 || !message.headers)
          return finish(new Error(message.headers?.description ?? `status ${code}`));
        timer.refresh();
        page.push({
          subject: message.headers.last('Nats-Subject'),
          seq: Number(message.headers.last('Nats-Sequence')),
          headers: message.headers,
          data: message.data,
          // Most who read bytes never need their text.
          get text(): string {
            return message.string();
          },
        });
      },
    });
    // Refreshed by every message: it is silence that is waited for, not the whole page.
    const timer = setTimeout(() => finish(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    nc.publish(
      `$JS.API.DIRECT.GET.${stream}`,
      JSON.stringify({ ...query, batch: PAGE_MESSAGES, max_bytes: pageBytes }),
      { reply: inbox },
    );
  }).catch((error: unknown) => {
    // A connection that is closed throws at once.
    throw error instanceof LogUnavailable ? error : unavailable(error as Error);
  });
}

const unavailable = (error: Error): LogUnavailable =>
  new LogUnavailable('log_unavailable', `reading the log failed: ${error.message}`, { cause: error });

/** The connection's own prefix, outside which a service with least privilege may not listen. */
function inboxPrefixOf(nc: NatsConnection): string | undefined {
  return (nc as NatsConnection & { options?: { inboxPrefix?: string } }).options?.inboxPrefix;
}
