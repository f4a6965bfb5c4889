import { emptyRun } from './empty-run.ts';
import { STATUSES } from './events.ts';
import type { Json } from './events.ts';
import type { Run } from './run.ts';

/** Goes up with every change of what `Run` holds or of how `evolve` fills it. */
export const RUN_STATE_VERSION = 2;

export const MAX_CHECKPOINT_BYTES = 32 * 1024;

/** The run as the state of a `run.checkpointed`; `undefined` when it is too large to be one. */
export function checkpoint(run: Run): Json | undefined {
  const serialised = JSON.stringify(run);
  if (utf8Length(serialised) > MAX_CHECKPOINT_BYTES) return undefined;
  return JSON.parse(serialised) as Json;
}

/** The run that `checkpoint` wrote down; `undefined` when another version wrote it, or it is no such state. */
export function restore(state: unknown, version: number): Run | undefined {
  if (version !== RUN_STATE_VERSION || !isRecord(state)) return undefined;
  const empty: Record<string, unknown> = { ...emptyRun('') };
  for (const [name, value] of Object.entries(empty)) if (!isSameKind(state[name], value)) return undefined;
  const known: readonly unknown[] = ['none', ...STATUSES];
  if (!known.includes(state.status)) return undefined;
  return Object.fromEntries(Object.keys(empty).map((name) => [name, state[name]])) as unknown as Run;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields that are empty as `null` may hold anything but nothing at all. */
function isSameKind(value: unknown, empty: unknown): boolean {
  if (empty === null) return value !== undefined;
  return typeof value === typeof empty && Array.isArray(value) === Array.isArray(empty) && value !== null;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
