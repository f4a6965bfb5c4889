import { Poison } from './ids.ts';

/**
 * What bucket `erased` keeps for ever of an erased run, under `<tenant>.<run>`: nothing that the run contained.
 * Written once when erasing is asked for, and again when it is done.
 */
export interface Tombstone {
  /** The user who asked, or `retention`. */
  erased_by: string;
  reason: 'requested' | 'retention';
  requested_at: string;
  /** Whose the run was and of which agent: who may know that it is gone. */
  user_id: string;
  workspace_id: string | null;
  agent_id: string;
  /** Key of the start's record in bucket `idempotency`. */
  idempotency_key_sha256: string | null;
  /** When everything of the run was overwritten; null: not yet. */
  done_at: string | null;
  /** When it was looked for and overwritten again, after the time that a late writer may take; null: not yet. */
  confirmed_at: string | null;
}

export const encodeTombstone = (tombstone: Tombstone): string => JSON.stringify(tombstone);

/** Poison when it is none. */
export function decodeTombstone(text: string): Tombstone {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Poison('invalid_tombstone', 'a tombstone is not JSON', { cause });
  }
  const { erased_by, reason, requested_at, user_id, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (typeof erased_by !== 'string' || typeof requested_at !== 'string' || typeof user_id !== 'string')
    throw new Poison('invalid_tombstone', 'a tombstone lacks who asked, when, or whose the run was');
  return {
    erased_by,
    reason: reason === 'retention' ? 'retention' : 'requested',
    requested_at,
    user_id,
    workspace_id: textOrNull(rest.workspace_id),
    agent_id: textOrNull(rest.agent_id) ?? '',
    idempotency_key_sha256: textOrNull(rest.idempotency_key_sha256),
    done_at: textOrNull(rest.done_at),
    confirmed_at: textOrNull(rest.confirmed_at),
  };
}

/** The tombstone of a run, from the data of its `run.requested`. */
export function tombstoneFor(
  requested: object,
  asked: Pick<Tombstone, 'erased_by' | 'reason' | 'requested_at'>,
): Tombstone {
  const { user_id, workspace_id, agent_id, idempotency_key_sha256 } = requested as Record<string, unknown>;
  return {
    ...asked,
    user_id: textOrNull(user_id) ?? '',
    workspace_id: textOrNull(workspace_id),
    agent_id: textOrNull(agent_id) ?? '',
    idempotency_key_sha256: textOrNull(idempotency_key_sha256),
    done_at: null,
    confirmed_at: null,
  };
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
