import { ApiError, UnreachableError } from '@runledger/client';
import { NotConfiguredError } from './credentials.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { harmless, oneLine } from './rendering/harmless.ts';
import { UsageError } from './usage-error.ts';

export interface Explanation {
  lines: string[];
  exit: ExitCode;
}

/** What a failure is to the person at the terminal. */
export function explain(error: unknown): Explanation {
  if (error instanceof UsageError) return { lines: [`error: ${error.message}`], exit: EXIT.usage };
  if (error instanceof NotConfiguredError) return { lines: [`error: ${error.message}`], exit: EXIT.error };
  if (error instanceof ApiError) return { lines: apiLines(error), exit: EXIT.error };
  const lines = [`error: ${oneLine(error instanceof Error ? error.message : String(error), 1_000)}`];
  if (error instanceof UnreachableError)
    lines.push('  is Runledger running there? `runledger doctor` looks closer');
  return { lines, exit: EXIT.error };
}

function apiLines(error: ApiError): string[] {
  const fields = error.errors
    .map((fault) => `${[fault.in, fault.pointer].filter((part) => part).join(' ')}: ${fault.detail ?? ''}`)
    // A lone fault is often the detail already.
    .filter((fault) => !error.message.includes(fault))
    .map((fault) => `  ${harmless(fault)}`);
  const id = error.request_id ? `, request ${harmless(error.request_id)}` : '';
  const lines = [
    `error: ${oneLine(error.message, 1_000)} (${error.status} ${harmless(error.code)}${id})`,
    ...fields,
  ];
  if (error.status === 401)
    lines.push('  the key was refused: see RUNLEDGER_API_KEY, --api-key, or `runledger doctor`');
  return lines;
}
