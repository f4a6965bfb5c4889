/**
 * Takes everything of a run away, bytes and all, once its tombstone is written: nobody reads the run any more.
 *
 * 1. Every step looks for what is left and may be repeated, by any number of replicas at once; a process that dies
 *    anywhere leaves a run that the next one goes on with from the first step.
 * 2. The log goes first, from the first commit to the last: what is left of it never looks whole from the beginning.
 * 3. The slot of the run must be free before: afterwards nobody could tell the scheduler that the run has ended.
 * 4. Nothing here says what to keep: a fork has its own copy of its events and values, under its own id, and a child is
 *    a run of its own.
 */
import { grantedSlots } from '../admission/granted-slots.ts';
import type { JetStreamManager } from '@nats-io/jetstream';
import { directPage, LogUnavailable, type RunAddress } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import type { ViewStore } from '@runledger/view-store';
import {
  admissionKey,
  ALL_DEAD,
  blobInfoSubject,
  bucketSubject,
  hashKey,
  parseBlobPart,
  runBlobParts,
  runSubject,
  type Tombstone,
} from '@runledger/wire';
import { messagesOf, overwrite, overwriteAll, type Pace } from './erase-messages.ts';

export interface EraseParts {
  broker: Broker;
  store: Pick<ViewStore, 'remove'>;
  /** Called after each step; what it throws ends the procedure there. */
  afterStep?: (step: EraseStep) => void;
}

interface Work {
  jsm: JetStreamManager;
  address: RunAddress;
  tombstone: Tombstone;
  pace: Pace;
  parts: EraseParts;
}

const STEPS = { slot, log, view, blobs, env, reservation, letters } as const;
export type EraseStep = keyof typeof STEPS;
export const ERASE_STEPS = Object.keys(STEPS) as EraseStep[];

/** Resolves when nothing is left. Throws LogUnavailable when the broker cannot do it now, ViewsUnavailable alike. */
export async function eraseRun(
  parts: EraseParts,
  address: RunAddress,
  tombstone: Tombstone,
  pace: Pace,
): Promise<void> {
  const jsm = await parts.broker.jsm();
  for (const step of ERASE_STEPS) {
    await STEPS[step]({ jsm, address, tombstone, pace, parts });
    parts.afterStep?.(step);
  }
}

async function slot({ jsm, address, parts }: Work): Promise<void> {
  if ((await grantedSlots(parts.broker)).has(address.run_id))
    throw new LogUnavailable('log_unavailable', `run ${address.run_id} has not given its slot back yet`);
  const subject = bucketSubject('admission', admissionKey(address.tenant_id, address.run_id));
  const entry = await jsm.streams.getMessage('KV_admission', { last_by_subj: subject });
  if (entry && entry.header.get('KV-Operation') === '')
    throw new LogUnavailable('log_unavailable', `run ${address.run_id} has not given its slot back yet`);
}

async function log({ jsm, address, pace }: Work): Promise<void> {
  await overwriteAll(jsm, 'RUNS', runSubject(address.tenant_id, address.run_id), pace);
}

async function view({ parts, address }: Work): Promise<void> {
  await parts.store.remove(address.tenant_id, address.run_id);
}

/** A value's name goes before its parts: the parts are how it is found again. */
async function blobs({ jsm, address, pace }: Work): Promise<void> {
  let named = '';
  for await (const { seq, subject } of messagesOf(
    jsm,
    'OBJ_blobs',
    runBlobParts(address.tenant_id, address.run_id),
  )) {
    const name = parseBlobPart(subject);
    if (name !== named) await overwriteAll(jsm, 'OBJ_blobs', blobInfoSubject(name), pace);
    named = name;
    await overwrite(jsm, 'OBJ_blobs', seq, pace);
  }
}

async function env({ jsm, address, pace }: Work): Promise<void> {
  const subject = bucketSubject('run-env', admissionKey(address.tenant_id, address.run_id));
  await overwriteAll(jsm, 'KV_run-env', subject, pace);
}

/** The record of its idempotency key, unless the key has meanwhile started another run. */
async function reservation({ jsm, address, tombstone, pace }: Work): Promise<void> {
  if (tombstone.idempotency_key_sha256 === null) return;
  const subject = bucketSubject('idempotency', hashKey(tombstone.idempotency_key_sha256));
  for await (const message of messagesOf(jsm, 'KV_idempotency', subject))
    if (reservedRun(message.string()) === address.run_id)
      await overwrite(jsm, 'KV_idempotency', message.seq, pace);
}

function reservedRun(text: string): string | undefined {
  return text === '' ? undefined : (JSON.parse(text) as { run_id?: string }).run_id;
}

/** A dead letter holds the commit that could not be handled. There are few. */
async function letters({ jsm, address, pace, parts }: Work): Promise<void> {
  const subject = runSubject(address.tenant_id, address.run_id);
  for (let from = 1; ;) {
    const page = await directPage(parts.broker.nc, 'DEAD', { seq: from, next_by_subj: ALL_DEAD }, 5_000);
    for (const { seq, text } of page) {
      from = seq + 1;
      if ((JSON.parse(text) as { subject?: string }).subject === subject)
        await overwrite(jsm, 'DEAD', seq, pace);
    }
    if (page.length === 0) return;
  }
}
