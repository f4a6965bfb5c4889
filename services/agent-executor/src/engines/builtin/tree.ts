import { AgentFailed, type HarnessContext, type JsonValue } from '@runledger/harness';
import { wholeNumber } from './input.ts';
import { waitAtBoundary } from './wait.ts';

const MOST_CHILDREN = 100;

/**
 * Calls itself: `depth` levels of `width` children each (one number, or one for each level), ticks while they run, and
 * counts the runs and the ticks of the whole tree.
 */
export async function tree(context: HarnessContext): Promise<JsonValue> {
  const { input, agent, boundary, history } = context;
  const depth = wholeNumber(input, 'depth', { least: 0, most: 8, otherwise: 1 });
  const count = wholeNumber(input, 'count', { least: 0, most: 10_000, otherwise: 3 });
  const everyMs = wholeNumber(input, 'every_ms', { least: 0, most: 3_600_000, otherwise: 200 });
  const [width, below] = widthsOf(input);
  const calls = Array.from({ length: depth > 0 ? width : 0 }, () =>
    boundary.callAgent(agent.agent_id, { depth: depth - 1, width: below, every_ms: everyMs, count }),
  );
  const results = Promise.allSettled(calls);
  const recorded = history.filter((event) => event.type === 'milestone.reached').length;
  for (let tick = 1; tick <= count; tick += 1) {
    if (tick > recorded && tick > 1) await waitAtBoundary(context, `tick ${tick}`, everyMs);
    await boundary.milestone(`tick ${tick}`, `${tick} of ${count}, at depth ${context.depth}`);
  }
  await results;
  const children = (await Promise.all(calls)) as { runs: number; ticks: number }[];
  return children.reduce((sum, child) => ({ runs: sum.runs + child.runs, ticks: sum.ticks + child.ticks }), {
    runs: 1,
    ticks: count,
  });
}

/** The width of this level, and what is left for those below. */
function widthsOf(input: JsonValue): [number, JsonValue] {
  const given = typeof input === 'object' && input !== null && !Array.isArray(input) ? (input.width ?? 2) : 2;
  const [width, ...below] = Array.isArray(given) ? given : [given];
  if (typeof width === 'number' && Number.isInteger(width) && width >= 1 && width <= MOST_CHILDREN)
    return [width, below.length > 0 ? below : width];
  throw new AgentFailed({
    code: 'invalid_input',
    category: 'input',
    title: 'The input does not fit the agent',
    detail: `"width" is ${JSON.stringify(given)}, not a whole number from 1 to ${MOST_CHILDREN}, nor a list of them`,
    remedy: 'Start the run with a "width" such as 2, or [5, 2] for five children with two each.',
    retryable: false,
  });
}
