import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { openViewStore, ViewsUnavailable, type ViewStore } from '@runledger/view-store';

const RETRY_AFTER_MS = 1_000;

/** The view store, opened when it is first needed and again after a failure: the gateway starts without it. */
@Injectable()
export class Views implements OnApplicationShutdown {
  #opening: Promise<ViewStore> | undefined;
  #failedAt = -Infinity;

  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}

  /** Throws ViewsUnavailable. */
  open(): Promise<ViewStore> {
    if (performance.now() - this.#failedAt < RETRY_AFTER_MS)
      return Promise.reject(new ViewsUnavailable('the view store could not be opened'));
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async onApplicationShutdown(): Promise<void> {
    const store = await this.#opening?.catch(() => undefined);
    await store?.close();
  }

  async #open(): Promise<ViewStore> {
    try {
      return await openViewStore(this.context.settings);
    } catch (cause) {
      this.#opening = undefined;
      this.#failedAt = performance.now();
      throw new ViewsUnavailable('the view store could not be opened', { cause });
    }
  }
}
