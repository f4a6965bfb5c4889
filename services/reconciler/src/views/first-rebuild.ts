import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceContext } from '@runledger/service-host';
import type { ViewStore } from '@runledger/view-store';
import { rebuildViews } from '../rebuild-views.ts';

const RETRY_MS: [number, number] = [500, 30_000];

/**
 * Fills a store that is new or was emptied, beside the consumer, which only sees what is appended from its position on.
 * Tried until it is done.
 */
export class FirstRebuild {
  readonly #stopped = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #done = false;

  constructor(
    private readonly context: Pick<ServiceContext, 'runLog' | 'logger'>,
    private readonly store: ViewStore,
  ) {}

  start(): void {
    this.#work = this.#untilDone(this.#stopped.signal);
  }

  /** @throws Error while views may be missing. */
  check(): void {
    if (!this.#done) throw new Error('views are being rebuilt from the log');
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#work;
  }

  async #untilDone(signal: AbortSignal): Promise<void> {
    for (let waitMs = RETRY_MS[0]; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS[1])) {
      try {
        await this.#rebuild(signal);
        this.#done = true;
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.context.logger.warn(
          { event: 'reconciler.rebuild.failed', reason: String(error) },
          'views could not be rebuilt yet',
        );
        await pause(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  async #rebuild(signal: AbortSignal): Promise<void> {
    if (!(await this.store.needsRebuild())) return;
    const rebuilt = await rebuildViews(
      { runLog: this.context.runLog, store: this.store },
      { keep: true, signal },
    );
    this.context.logger.info({ event: 'reconciler.rebuild.done', ...rebuilt }, 'views rebuilt from the log');
  }
}
