import type { HarnessContext, JsonValue } from '@runledger/harness';
import { wholeNumber } from './input.ts';

/** Lines that may wait for the disk at once: what fills a commit is never the bottleneck. */
const IN_FLIGHT = 512;

/** Log lines without a pause, as fast as the log takes them. */
export async function burst(context: HarnessContext): Promise<JsonValue> {
  const count = wholeNumber(context.input, 'count', { least: 1, most: 1_000_000, otherwise: 1_000 });
  const bytes = wholeNumber(context.input, 'bytes', { least: 0, most: 32_768, otherwise: 100 });
  let waiting: Promise<void>[] = [];
  for (let line = 1; line <= count; line += 1) {
    waiting.push(context.boundary.log('info', 'agent', `line ${line} `.padEnd(bytes, '.')));
    if (waiting.length < IN_FLIGHT) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
  return { count };
}
