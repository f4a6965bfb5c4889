import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { admissionKey } from '@runledger/wire';
import { RunBroadcast } from './run-broadcast.ts';

export interface Joined {
  broadcast: RunBroadcast;
  /** To be called once. The last to leave ends it. */
  leave: () => void;
}

/** The watched runs of this process. */
@Injectable()
export class Broadcasts {
  readonly #watched = new Map<string, { broadcast: RunBroadcast; users: number }>();

  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}

  get count(): number {
    return this.#watched.size;
  }

  /** `lastSeq`: an event that the run is known to have; what a new broadcast tells begins after it. */
  join(address: RunAddress, lastSeq: number): Joined {
    const key = admissionKey(address.tenant_id, address.run_id);
    const known = this.#watched.get(key);
    const watched =
      known && !known.broadcast.over ? known : { broadcast: this.#begin(address, lastSeq), users: 0 };
    this.#watched.set(key, watched);
    watched.users += 1;
    const leave = (): void => {
      watched.users -= 1;
      if (watched.users > 0) return;
      watched.broadcast.close();
      if (this.#watched.get(key) === watched) this.#watched.delete(key);
    };
    return { broadcast: watched.broadcast, leave };
  }

  #begin(address: RunAddress, lastSeq: number): RunBroadcast {
    const { runLog, logger } = this.context;
    return new RunBroadcast(runLog, address, lastSeq, (error) =>
      logger.warn({ err: error, run_id: address.run_id }, 'a run cannot be followed: its streams are closed'),
    );
  }
}
