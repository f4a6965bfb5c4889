import type { StoredLine } from '@runledger/run-log';

export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  connection: 'keep-alive',
} as const;

/** How long a client waits before it reconnects, in ms; the first thing on every stream. */
export const RETRY_LINE = 'retry: 1000\n\n';
export const PING = Buffer.from(': ping\n\n');

/** What of a frame is the same on every connection. An event type never holds a line break: stored types are tokens. */
export const bodyOf = (stored: StoredLine): string => `event: ${stored.type}\ndata: ${stored.line}\n\n`;

/** One event: `data` is the stored line, byte for byte. */
export const frameOf = (stored: StoredLine): string => `id: ${stored.seq}\n${bodyOf(stored)}`;
