import { APICallError } from '@ai-sdk/provider';
import { AgentFailed } from '@runledger/harness';
import { RetryError } from 'ai';

const BODY_SHOWN = 500;
const LONGEST_WAIT_MS = 3_600_000;

/** What a model provider answered, as the failure that people read. */
export function providerFailure(error: unknown, model: string): AgentFailed {
  if (error instanceof AgentFailed) return error;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (!APICallError.isInstance(last))
    return failed(
      {
        code: 'provider_failed',
        detail: `${model}: ${last instanceof Error ? last.message : String(last)}`,
        remedy: 'Look at the model and its endpoint, then start the run again.',
        retryable: true,
      },
      last,
    );
  const detail = `${model}: ${last.statusCode ? `HTTP ${last.statusCode}: ` : ''}${last.message}${last.responseBody ? ` (${last.responseBody.slice(0, BODY_SHOWN)})` : ''}`;
  return failed({ ...byStatus(last.statusCode), detail }, last, retryAfter(last.responseHeaders));
}

interface Refused {
  code: string;
  remedy: string;
  retryable: boolean;
}

function byStatus(status: number | undefined): Refused {
  if (status === 401 || status === 403)
    return {
      code: 'provider_auth',
      remedy: 'Check the API key of the model provider.',
      retryable: false,
    };
  if (status === 429)
    return {
      code: 'provider_rate_limited',
      remedy: 'Wait, or raise the limits at the provider; then start the run again.',
      retryable: true,
    };
  if (status === undefined || status >= 500)
    return {
      code: 'provider_unavailable',
      remedy: 'Start the run again when the provider is back.',
      retryable: true,
    };
  return {
    code: 'provider_refused',
    remedy: 'Correct the model name or the settings in the agent definition.',
    retryable: false,
  };
}

/** `Retry-After` in milliseconds, from seconds or a date; an hour at most. */
export function retryAfter(
  headers: Record<string, string> | undefined,
  now = Date.now(),
): number | undefined {
  const value = headers?.['retry-after'];
  if (value === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, LONGEST_WAIT_MS) : undefined;
}

function failed(refused: Refused & { detail: string }, cause: unknown, retryAfterMs?: number): AgentFailed {
  const title = 'The model provider did not answer the call';
  return new AgentFailed({ category: 'provider', title, ...refused }, { cause, retryAfterMs });
}
