import { AgentFailed, AgentStopped, type JsonValue } from '@runledger/harness';
import { HoldLost } from '@runledger/run-log';
import { Handover, Parked } from './interruptions.ts';

export interface Outcome {
  result: JsonValue;
  is_error: boolean;
}

/** The outcome of an agent's own work; what ends the attempt is thrown. */
export async function settle(work: () => Promise<JsonValue>): Promise<Outcome> {
  try {
    return { result: (await work()) ?? null, is_error: false };
  } catch (error) {
    if (
      error instanceof AgentFailed ||
      error instanceof AgentStopped ||
      error instanceof Handover ||
      error instanceof Parked ||
      error instanceof HoldLost
    )
      throw error;
    return { result: { message: error instanceof Error ? error.message : String(error) }, is_error: true };
  }
}

/** What a recorded outcome is to the agent that asks for it again. */
export function recall({ result, is_error }: Outcome): JsonValue {
  if (!is_error) return result;
  throw new Error(messageOf(result));
}

function messageOf(result: JsonValue): string {
  const message =
    typeof result === 'object' && result !== null && !Array.isArray(result) ? result.message : undefined;
  return typeof message === 'string' ? message : JSON.stringify(result);
}
