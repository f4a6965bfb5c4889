/** One writer of one subject with one append in flight; what its producer makes meanwhile is the next message. */
import { headers as newHeaders } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { newRunId } from './raw-runs.ts';

export const ADAPTIVE_STREAM = 'ADAPTIVE';
export const ADAPTIVE_PREFIX = 'adaptive';

const MOST_EVENTS = 512;
const MOST_BYTES = 200 * 1024;

/** Writes events like those of a `burst` for so many seconds. The rate per second. */
export async function writeAdaptively(
  broker: Broker,
  load: { seconds: number; bytes: number },
): Promise<number> {
  const runId = newRunId();
  const subject = [ADAPTIVE_PREFIX, 'local', runId].join('.');
  const from = performance.now();
  let [seq, stored, expected] = [0, 0, 0];
  let next = produce();
  while (performance.now() - from < load.seconds * 1_000) {
    const head = newHeaders();
    head.set('Nats-Expected-Last-Subject-Sequence', String(expected));
    const sent = next;
    const answer = broker.nc.request(subject, sent.text, { timeout: 30_000, headers: head });
    next = produce();
    const ack = (await answer).json<{ seq?: number; error?: { description: string } }>();
    if (ack.seq === undefined) throw new Error(ack.error?.description ?? 'no sequence');
    expected = ack.seq;
    stored += sent.events;
  }
  return stored / ((performance.now() - from) / 1_000);

  function produce(): { text: string; events: number } {
    const lines: string[] = [];
    let size = 0;
    while (lines.length < MOST_EVENTS && size < MOST_BYTES) {
      const line = lineOf(++seq, runId, load.bytes);
      size += line.length + 1;
      lines.push(line);
    }
    return { text: `${lines.join('\n')}\n`, events: lines.length };
  }
}

function lineOf(seq: number, runId: string, bytes: number): string {
  const message = `line ${seq} `.padEnd(bytes, '.');
  const data = { index: seq, level: 'info', source: 'agent', message };
  return JSON.stringify({
    seq,
    type: 'log.written',
    at: new Date().toISOString(),
    run_id: runId,
    attempt: 1,
    data,
  });
}
