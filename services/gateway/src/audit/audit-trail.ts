import { jetstream, JetStreamApiError, jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import type { Broker } from '@runledger/nest-jetstream';
import { LogUnavailable } from '@runledger/run-log';
import { auditOf, auditSubject } from '@runledger/wire';
import { newUlid } from '../http/new-ulid.ts';
import type { Principal } from '../auth/principal.ts';
import { isBrokerFault, isNothingFound } from '../broker/broker-fault.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import type { Actor, AuditEvent } from './audit-event.ts';

const STREAM = 'AUDIT';
const ANSWER_WITHIN_MS = 2_500;
const NO_SPACE = [10023, 10047, 10077];

export type AuditedKey = Pick<KeyRecord, 'key_id' | 'tenant_id' | 'user_id' | 'name' | 'agent_id'>;

export interface AuditEntry {
  key: AuditedKey;
  type: AuditEvent['type'];
  by: Actor | null;
  data?: Record<string, unknown>;
  /** Given by whoever may have to say it twice. */
  event_id?: string;
}

export interface StoredAuditEvent {
  seq: number;
  event: AuditEvent;
}

/** What happened to credentials: appended to the stream AUDIT, which nobody can delete from. */
export class AuditTrail {
  readonly #nc: Broker['nc'];

  constructor(broker: Pick<Broker, 'nc'>) {
    this.#nc = broker.nc;
  }

  /** Throws LogUnavailable. */
  async append({ key, type, by, data = {}, event_id = newUlid() }: AuditEntry): Promise<void> {
    const event: AuditEvent = {
      event_id,
      at: new Date().toISOString(),
      type,
      key_id: key.key_id,
      name: key.name,
      user_id: key.user_id,
      agent_id: key.agent_id ?? null,
      by,
      data,
    };
    const subject = auditSubject(key.tenant_id, key.user_id);
    await this.#ask(() =>
      jetstream(this.#nc, { timeout: ANSWER_WITHIN_MS }).publish(subject, JSON.stringify(event), {
        msgID: `${key.tenant_id} ${event_id}`,
      }),
    );
  }

  /** Events of one user, or of the whole tenant, after `after`, oldest first, at most `limit`. Throws LogUnavailable. */
  async page(
    who: { tenant_id: string; user_id?: string | undefined },
    after: number,
    limit: number,
  ): Promise<StoredAuditEvent[]> {
    return this.#ask(async () => {
      const jsm = await jetstreamManager(this.#nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false });
      const found: StoredAuditEvent[] = [];
      const query = { seq: after + 1, next_by_subj: auditOf(who.tenant_id, who.user_id), batch: limit };
      const batch = await jsm.direct.getBatch(STREAM, query);
      try {
        for await (const message of batch) found.push(stored(message));
      } catch (error) {
        if (!isNothingFound(error)) throw error;
      }
      return found;
    });
  }

  async #ask<T>(use: () => Promise<T>): Promise<T> {
    try {
      return await use();
    } catch (error) {
      if (error instanceof JetStreamApiError && NO_SPACE.includes(error.code))
        throw new LogUnavailable('log_full', 'the audit trail is full', { cause: error });
      if (isBrokerFault(error) || error instanceof JetStreamApiError)
        throw new LogUnavailable('log_unavailable', 'the audit trail does not answer', { cause: error });
      throw error;
    }
  }
}

export const actorOf = (principal: Principal): Actor => ({
  user_id: principal.user_id,
  key_id: principal.key_id,
  credential: principal.credential.kind,
});

const stored = (message: StoredMsg): StoredAuditEvent => ({
  seq: message.seq,
  event: JSON.parse(message.string()) as AuditEvent,
});
