import { APICallError } from '@ai-sdk/provider';
import { AgentFailed } from '@runledger/harness';
import { RetryError } from 'ai';

const BODY_SHOWN = 500;

/** What a model provider answered, as the failure that people read. */
export function providerFailure(error: unknown, model: string): AgentFailed {
  if (error instanceof AgentFailed) return error;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (!APICallError.isInstance(last))
    return failed(
      'provider_failed',
      `${model}: ${last instanceof Error ? last.message : String(last)}`,
      'Look at the model and its endpoint, then start the run again.',
      true,
      last,
    );
  const status = last.statusCode;
  const detail = `${model}: ${status ? `HTTP ${status}: ` : ''}${last.message}${last.responseBody ? ` (${last.responseBody.slice(0, BODY_SHOWN)})` : ''}`;
  if (status === 401 || status === 403)
    return failed('provider_auth', detail, 'Check the API key of the model provider.', false, last);
  if (status === 429)
    return failed(
      'provider_rate_limited',
      detail,
      'Wait, or raise the limits at the provider; then start the run again.',
      true,
      last,
    );
  if (status === undefined || status >= 500)
    return failed(
      'provider_unavailable',
      detail,
      'Start the run again when the provider is back.',
      true,
      last,
    );
  return failed(
    'provider_refused',
    detail,
    'Correct the model name or the settings in the agent definition.',
    false,
    last,
  );
}

function failed(
  code: string,
  detail: string,
  remedy: string,
  retryable: boolean,
  cause: unknown,
): AgentFailed {
  return new AgentFailed(
    {
      code,
      category: 'provider',
      title: 'The model provider did not answer the call',
      detail,
      remedy,
      retryable,
    },
    { cause },
  );
}
