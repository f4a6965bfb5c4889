import { JetStreamApiError } from '@nats-io/jetstream';
import type { Broker } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { askToSettle } from '../admission/ask-to-settle.ts';
import { grantedSlots } from '../admission/granted-slots.ts';
import {
  admissionKey,
  ALL_WORK,
  bucketSubject,
  DEFAULT_POOL,
  encodeWork,
  workSubject,
} from '@runledger/wire';

/** Discard-new per subject: a message for this run is outstanding. */
const ALREADY_OUTSTANDING = 10077;

export interface Granted {
  state: 'queued' | 'granted';
  dispatch: number;
}

/** What a sweep may see and do at the work queue, through the broker's leader. */
export class WorkQueue {
  constructor(private readonly broker: Broker) {}

  /** Subjects that have a message now. */
  async outstanding(): Promise<Set<string>> {
    const jsm = await this.broker.jsm();
    const { state } = await jsm.streams.info('WORK', { subjects_filter: ALL_WORK });
    return new Set(Object.keys(state.subjects ?? {}));
  }

  subjectOf(address: RunAddress): string {
    return workSubject(DEFAULT_POOL, address.tenant_id, address.run_id);
  }

  async hasMessage(address: RunAddress): Promise<boolean> {
    const jsm = await this.broker.jsm();
    return (await jsm.streams.getMessage('WORK', { last_by_subj: this.subjectOf(address) })) !== null;
  }

  /** What bucket `admission` says of the run: its slot, or that it waits for one. */
  async admission(address: RunAddress): Promise<Granted | undefined> {
    const slot = (await grantedSlots(this.broker)).get(address.run_id);
    if (slot) return { state: 'granted', dispatch: slot.dispatch };
    const jsm = await this.broker.jsm();
    const subject = bucketSubject('admission', admissionKey(address.tenant_id, address.run_id));
    const message = await jsm.streams.getMessage('KV_admission', { last_by_subj: subject });
    if (message === null || message.header.get('KV-Operation') !== '') return undefined;
    return { state: 'queued', dispatch: message.json<Granted>().dispatch };
  }

  /** False: it was asked already. */
  askForAdmission(address: RunAddress, seq: number): Promise<boolean> {
    return askToSettle(this.broker, address, seq);
  }

  /** False: somebody else's message for this run is outstanding. */
  async publish(address: RunAddress, dispatch: number): Promise<boolean> {
    try {
      await this.broker.js.publish(this.subjectOf(address), encodeWork({ dispatch }), {
        timeout: 5_000,
        retries: 1,
      });
      return true;
    } catch (error) {
      if (
        error instanceof JetStreamApiError &&
        error.code === ALREADY_OUTSTANDING &&
        /per subject/.test(error.message)
      )
        return false;
      throw error;
    }
  }
}
