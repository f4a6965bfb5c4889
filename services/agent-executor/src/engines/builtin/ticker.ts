import type { HarnessContext, JsonValue } from '@runledger/harness';
import { wholeNumber } from './input.ts';
import { waitAtBoundary } from './wait.ts';

/** One milestone per tick. A resumed ticker goes on after the last recorded tick, and waits for none of them again. */
export async function ticker(context: HarnessContext): Promise<JsonValue> {
  const count = wholeNumber(context.input, 'count', { least: 1, most: 100_000, otherwise: 10 });
  const everyMs = wholeNumber(context.input, 'every_ms', { least: 0, most: 3_600_000, otherwise: 1_000 });
  const recorded = context.history.filter((event) => event.type === 'milestone.reached').length;
  for (let tick = 1; tick <= count; tick += 1) {
    if (tick > recorded && tick > 1) await waitAtBoundary(context, `tick ${tick}`, everyMs);
    await context.boundary.milestone(`tick ${tick}`, `${tick} of ${count}`);
  }
  return { ticks: count };
}
