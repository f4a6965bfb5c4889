import { AgentFailed, type JsonValue } from '@runledger/harness';

/** A whole number of an agent's input, within bounds; AgentFailed `invalid_input` otherwise. */
export function wholeNumber(
  input: JsonValue,
  name: string,
  bounds: { least: number; most: number; otherwise: number },
): number {
  const value =
    typeof input === 'object' && input !== null && !Array.isArray(input) ? input[name] : undefined;
  if (value === undefined) return bounds.otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= bounds.least && value <= bounds.most)
    return value;
  throw new AgentFailed({
    code: 'invalid_input',
    category: 'input',
    title: 'The input does not fit the agent',
    detail: `"${name}" is ${JSON.stringify(value)}, not a whole number from ${bounds.least} to ${bounds.most}`,
    remedy: `Start the run with a "${name}" from ${bounds.least} to ${bounds.most}.`,
    retryable: false,
  });
}
