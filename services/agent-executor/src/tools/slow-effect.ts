import { appendFile, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonValue } from '@runledger/harness';
import type { BuiltinTool, ToolContext } from './builtin-tools.ts';

/** A file that gets one line for each effect, so that drills can count them. */
const EFFECTS_FILE = 'RUNLEDGER_EFFECTS_FILE';
const DEFAULT_MS = 2_000;
const LONGEST_MS = 60_000;

const input_schema: JsonValue = {
  type: 'object',
  properties: { ms: { type: 'integer', minimum: 0, maximum: LONGEST_MS, description: 'How long it takes.' } },
  additionalProperties: false,
};

/** Takes its time, and takes effect half way: a process that dies in it cannot tell whether it did. */
export const slowEffect: BuiltinTool = {
  description: 'Does something slowly that must not be done twice.',
  input_schema,
  idempotent: false,
  execute: (args, context) => act(args, context, async () => false),
};

/** The same, by a receiver that knows the idempotency keys it has seen. */
export const slowEffectOnce: BuiltinTool = {
  description: 'Does something slowly; a repeat with the same key changes nothing.',
  input_schema,
  idempotent: true,
  execute: (args, context) => act(args, context, isDone),
};

async function act(
  args: JsonValue,
  { key, signal }: ToolContext,
  done: (key: string) => Promise<boolean>,
): Promise<JsonValue> {
  const half = duration(args) / 2;
  await delay(half, undefined, { signal });
  const repeated = await done(key);
  if (!repeated) await takeEffect(key);
  await delay(half, undefined, { signal }).catch(() => undefined);
  return { key, repeated };
}

async function takeEffect(key: string): Promise<void> {
  const file = process.env[EFFECTS_FILE];
  if (file) await appendFile(file, `${key}\n`);
}

async function isDone(key: string): Promise<boolean> {
  const file = process.env[EFFECTS_FILE];
  const text = file ? await readFile(file, 'utf8').catch(() => '') : '';
  return text.split('\n').includes(key);
}

function duration(args: JsonValue): number {
  const ms = typeof args === 'object' && args !== null && !Array.isArray(args) ? args.ms : undefined;
  return typeof ms === 'number' && ms >= 0 ? Math.min(ms, LONGEST_MS) : DEFAULT_MS;
}
