import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/nats-core';
import { directPage, type RunAddress } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import {
  admissionKey,
  applySlots,
  bucketSubject,
  dueSubject,
  SLOTS_KEY,
  timerSubject,
  type SlotsCommit,
} from '@runledger/wire';
import type { AdmissionEntry } from '../src/admission/entry.ts';
import { startSchedulerCell, type SchedulerCell } from './cell-of-schedulers.ts';

let cell: SchedulerCell;

beforeAll(async () => {
  cell = await startSchedulerCell({ RUNLEDGER_ROOT_RUNS_PER_USER: '1' });
  await Promise.all([cell.startScheduler(), cell.startScheduler()]);
}, 60_000);
afterAll(() => cell.stop());

/** As the reconciler does. */
async function askToSettle({ tenant_id, run_id }: RunAddress): Promise<void> {
  const head = headers();
  head.set('Nats-Schedule', `@at ${new Date().toISOString()}`);
  head.set('Nats-Schedule-Target', dueSubject('admission', tenant_id, run_id, 'settle'));
  await cell.broker.js.publish(timerSubject('admission', tenant_id, run_id, 'settle'), '{}', {
    headers: head,
    msgID: `admission.${tenant_id}.${run_id}`,
  });
}

const SLOTS = bucketSubject('admission', SLOTS_KEY);

async function slots(): Promise<{ held: Map<string, AdmissionEntry>; number: number; seq: number }> {
  const held = new Map<string, AdmissionEntry>();
  let [number, after] = [0, 0];
  for (;;) {
    const page = await directPage(
      cell.broker.nc,
      'KV_admission',
      { seq: after + 1, next_by_subj: SLOTS },
      5_000,
    );
    if (page.length === 0) return { held, number, seq: after };
    for (const message of page) {
      const commit = JSON.parse(message.text) as SlotsCommit<AdmissionEntry>;
      applySlots(held, commit);
      [number, after] = [commit.number, message.seq];
    }
  }
}

const granted = (address: RunAddress, what: string): Promise<unknown> =>
  waitFor(async () => (await cell.granted()).some(({ run_id }) => run_id === address.run_id), {
    timeoutMs: 15_000,
    describe: what,
  });

describe('a run that somebody asks the schedulers to look at', () => {
  it('gives back the slot that it holds though it has ended, once, and the next is granted', async () => {
    const over = await cell.start({ user_id: 'ann' });
    await granted(over, 'the first grant');
    const entry = (await slots()).held.get(over.run_id);
    await cell.end(over);
    await waitFor(async () => !(await slots()).held.has(over.run_id), { describe: 'the release' });
    // A release that was lost: the slot is held again, by a run that is over.
    await waitFor(
      async () => {
        const { number, seq } = await slots();
        const again = { number: number + 1, granted: [entry], released: [] };
        return cell.broker.js
          .publish(SLOTS, JSON.stringify(again), { expect: { lastSubjectSequence: seq } })
          .then(
            () => true,
            () => false,
          );
      },
      { describe: 'the slot to be held again' },
    );
    const next = await cell.start({ user_id: 'ann' });
    await waitFor(async () => (await cell.positions('local', 'ann')).includes(next.run_id), {
      timeoutMs: 15_000,
      describe: 'the next to wait',
    });
    await askToSettle(over);
    await granted(next, 'the grant of the next');
    expect([...(await slots()).held.values()].map(({ run_id }) => run_id)).toEqual([next.run_id]);
    await askToSettle(over);
    await cell.end(next);
    await waitFor(async () => (await slots()).held.size === 0, { describe: 'no slot to be held' });
  });

  it('waits for a slot again when the ledger had lost it', async () => {
    const first = await cell.start({ user_id: 'ben' });
    await granted(first, 'the first grant');
    const lost = await cell.start({ user_id: 'ben' });
    await waitFor(async () => (await cell.positions('local', 'ben')).includes(lost.run_id), {
      timeoutMs: 15_000,
      describe: 'the second to wait',
    });
    const head = headers();
    head.set('KV-Operation', 'PURGE');
    head.set('Nats-Rollup', 'sub');
    await cell.broker.js.publish(bucketSubject('admission', admissionKey('local', lost.run_id)), '', {
      headers: head,
    });
    await waitFor(async () => (await cell.positions('local', 'ben')).length === 0, {
      timeoutMs: 15_000,
      describe: 'the second to be forgotten',
    });
    await askToSettle(lost);
    await waitFor(async () => (await cell.positions('local', 'ben')).includes(lost.run_id), {
      timeoutMs: 15_000,
      describe: 'the second to wait again',
    });
    await cell.end(first);
    await granted(lost, 'the grant of the second');
  });
});
