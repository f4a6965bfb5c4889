import { APICallError } from '@ai-sdk/provider';
import { AgentFailed, AgentStopped } from '@runledger/harness';
import { RetryError } from 'ai';

const BODY_SHOWN = 500;
const LONGEST_WAIT_MS = 3_600_000;

/** What a model provider answered, as the failure that people read. */
export function providerFailure(error: unknown, model: string): unknown {
  const ours = ownIn(error);
  if (ours) return ours;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (!APICallError.isInstance(last) || isUnreadable(last))
    return failed(
      {
        code: 'provider_failed',
        detail: `${model}: ${wordsOf(last)}`,
        remedy: 'Look at the model and its endpoint, then start the run again.',
        retryable: true,
      },
      last,
    );
  const detail = `${model}: ${last.statusCode ? `HTTP ${last.statusCode}: ` : ''}${last.message}${last.responseBody ? ` (${last.responseBody.slice(0, BODY_SHOWN)})` : ''}`;
  return failed({ ...byStatus(last.statusCode), detail }, last, retryAfter(last.responseHeaders));
}

/** A call that came to one of its limits. */
export function failureOfCall(
  limit: 'timeout' | 'silence' | 'size',
  model: string,
  { timeoutMs, silenceMs, replyBytes }: { timeoutMs: number; silenceMs: number; replyBytes: number },
): AgentFailed {
  if (limit === 'size')
    return failed({
      code: 'provider_reply_too_large',
      detail: `${model}: the reply is larger than ${replyBytes} bytes`,
      remedy: 'Limit the answer with max_tokens, or raise RUNLEDGER_MODEL_REPLY_MIB.',
      retryable: false,
    });
  const [what, setting] =
    limit === 'timeout'
      ? [`the call was not over after ${timeoutMs / 1_000} s`, 'RUNLEDGER_MODEL_TIMEOUT_S']
      : [`not a byte came for ${silenceMs / 1_000} s`, 'RUNLEDGER_MODEL_SILENCE_S'];
  return failed({
    code: 'provider_timeout',
    detail: `${model}: ${what}`,
    remedy: `Look at the model's endpoint; if it needs more time, raise ${setting}.`,
    retryable: true,
  });
}

/** An endpoint that there is no connection to (any more). */
export function failureOfConnection(what: 'unreachable' | 'cut', model: string, error: unknown): AgentFailed {
  const [code, said] =
    what === 'unreachable'
      ? ['provider_unavailable', 'the endpoint could not be reached']
      : ['provider_failed', 'the connection was cut in the middle of the answer'];
  return failed(
    {
      code,
      detail: `${model}: ${said}: ${wordsOf(error)}`,
      remedy: "Look at the model's endpoint, then start the run again.",
      retryable: true,
    },
    error,
  );
}

/** What a call was ended with on this side, which the client of the provider may have wrapped. */
function ownIn(error: unknown): AgentFailed | AgentStopped | undefined {
  for (let at = error; at !== undefined && at !== null; at = (at as { cause?: unknown }).cause)
    if (at instanceof AgentFailed || at instanceof AgentStopped) return at;
  return undefined;
}

/** An answer that was accepted and cannot be read is the provider's fault, not that of the question. */
const isUnreadable = ({ statusCode }: APICallError): boolean =>
  statusCode !== undefined && statusCode >= 200 && statusCode < 300;

/** Everything that is known, from the outermost to the first cause; also of what a provider sent that is no error. */
function wordsOf(error: unknown): string {
  const words: string[] = [];
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause) {
    const { message, code } = at as { message?: unknown; code?: unknown };
    const said = [message, code].find((one) => typeof one === 'string' && one.length > 0);
    if (typeof said === 'string') words.push(said);
  }
  const text = words.length > 0 ? words.join(': ') : (JSON.stringify(error) ?? String(error));
  return text.slice(0, 2 * BODY_SHOWN);
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

function failed(refused: Refused & { detail: string }, cause?: unknown, retryAfterMs?: number): AgentFailed {
  const title = 'The model provider did not answer the call';
  return new AgentFailed({ category: 'provider', title, ...refused }, { cause, retryAfterMs });
}
