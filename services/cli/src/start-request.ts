import type { Json, StartRequest } from '@runledger/client';
import { readFile } from 'node:fs/promises';
import { UsageError } from './usage-error.ts';

export interface StartOptions {
  /** `-i k=v …` */
  i?: Record<string, string>;
  /** A file's path, or `-` for stdin. */
  input?: string;
  env?: Record<string, string>;
  maxTurns?: number;
  maxCost?: number;
  timeout?: number;
  label?: Record<string, string>;
}

/** The request that the flags of a start stand for. */
export async function startRequest(
  agentId: string,
  options: StartOptions,
  readStdin: () => Promise<string>,
): Promise<StartRequest> {
  const limits = {
    ...(options.maxTurns === undefined ? {} : { max_turns: options.maxTurns }),
    ...(options.maxCost === undefined ? {} : { max_cost_usd: options.maxCost }),
    ...(options.timeout === undefined ? {} : { timeout_s: options.timeout }),
  };
  const input = await inputOf(options, readStdin);
  return {
    agent_id: agentId,
    ...(input === undefined ? {} : { input }),
    ...(options.env ? { env: options.env } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(options.label ? { labels: options.label } : {}),
  };
}

async function inputOf(options: StartOptions, readStdin: () => Promise<string>): Promise<Json | undefined> {
  if (options.i && options.input !== undefined) throw new UsageError('give either -i or --input, not both');
  if (options.i)
    return Object.fromEntries(Object.entries(options.i).map(([key, text]) => [key, jsonOrText(text)]));
  if (options.input === undefined) return undefined;
  const from = options.input === '-' ? 'standard input' : options.input;
  const text = options.input === '-' ? await readStdin() : await readInputFile(options.input);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new UsageError(`${from} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readInputFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `3` is a number, `true` a boolean, `{"a":1}` an object; what is no JSON is text. */
export function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
