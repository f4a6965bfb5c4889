import type { Broker } from '@runledger/nest-jetstream';
import { directPage } from '@runledger/run-log';
import { applySlots, bucketSubject, SLOTS_KEY, type SlotsCommit } from '@runledger/wire';

interface Slot {
  tenant_id: string;
  run_id: string;
  dispatch: number;
}

/** Every run that has a slot, by its id: the changes that the broker keeps state them all. */
export async function grantedSlots({ nc }: Pick<Broker, 'nc'>): Promise<Map<string, Slot>> {
  const slots = new Map<string, Slot>();
  const next_by_subj = bucketSubject('admission', SLOTS_KEY);
  for (let after = 0; ;) {
    const page = await directPage(nc, 'KV_admission', { seq: after + 1, next_by_subj }, 5_000);
    for (const message of page) {
      applySlots(slots, JSON.parse(message.text) as SlotsCommit<Slot>);
      after = message.seq;
    }
    if (page.length === 0) return slots;
  }
}
