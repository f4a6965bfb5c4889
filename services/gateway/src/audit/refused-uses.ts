import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Counter } from 'prom-client';
import { AuditTrail, type AuditedKey } from './audit-trail.ts';

export const REFUSED_EVERY_MS = 60_000;
/** Keys whose refusals wait to be written; what comes beyond is in the metric only. */
const MOST_WAITING = 10_000;

export type RefusalReason =
  'malformed' | 'unknown' | 'wrong_secret' | 'expired' | 'revoked' | 'scope' | 'csrf' | 'rate';

interface Refused {
  key: AuditedKey;
  since: string;
  counts: Partial<Record<RefusalReason, number>>;
}

/** Uses that were refused: counted for operators, and one line in the trail per key and minute at most, from each process. */
@Injectable()
export class RefusedUses implements OnApplicationShutdown {
  readonly #waiting = new Map<string, Refused>();
  readonly #counter: Counter;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {
    this.#counter = new Counter({
      name: 'runledger_refused_credentials_total',
      help: 'Uses of a credential that were refused',
      labelNames: ['reason'],
      registers: [context.metrics],
    });
  }

  /** Without a key there is nobody in whose trail it belongs. */
  note(reason: RefusalReason, key?: AuditedKey): void {
    this.#counter.inc({ reason });
    if (!key) return;
    const refused = this.#waiting.get(key.key_id);
    if (!refused && this.#waiting.size >= MOST_WAITING) return;
    const kept = refused ?? { key, since: new Date().toISOString(), counts: {} };
    kept.counts[reason] = (kept.counts[reason] ?? 0) + 1;
    this.#waiting.set(key.key_id, kept);
    this.#timer ??= setTimeout(() => void this.flush(), REFUSED_EVERY_MS).unref();
  }

  /** Writes what was counted. What cannot be written is in the log of the process. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { key, since, counts } of waiting)
      await this.audit
        .append({ key, type: 'key.refused', by: null, data: { since, counts } })
        .catch((error: unknown) => {
          this.context.logger.warn(
            { err: error, key_id: key.key_id, counts },
            'refused uses are not in the trail',
          );
        });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }
}
