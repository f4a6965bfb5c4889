import { ApiError, type FieldProblem } from './errors.ts';
import { retryAfterMs } from './backoff.ts';

/** Reads the body of an answer that is no success and makes the error of it. Never throws itself. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const body = await problemBody(response);
  return new ApiError({
    status: response.status,
    code: text(body.code) ?? `http_${response.status}`,
    title: text(body.title) ?? text(response.statusText) ?? `HTTP ${response.status}`,
    detail: text(body.detail) ?? '',
    errors: Array.isArray(body.errors) ? body.errors.map(fieldProblem) : [],
    request_id: text(body.request_id) ?? response.headers.get('x-request-id'),
    body,
    retry_after_ms: retryAfterMs(response.headers.get('retry-after'), Date.now()),
  });
}

async function problemBody(response: Response): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await response.text());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function fieldProblem(value: unknown): FieldProblem {
  return typeof value === 'object' && value !== null ? (value as FieldProblem) : { detail: String(value) };
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
