/** How many handlers may run at once. */
export class Slots {
  private used = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(readonly limit: number) {}

  get free(): number {
    return this.limit - this.used;
  }

  get taken(): number {
    return this.used;
  }

  /** Takes a slot, waiting for one in the order of asking. */
  async take(): Promise<void> {
    while (this.free < 1) await this.nextRelease();
    this.used += 1;
  }

  /** Resolves when a slot is free, or `signal` is aborted. It is not taken. */
  async whenFree(signal: AbortSignal): Promise<void> {
    while (this.free < 1 && !signal.aborted) {
      const aborted = Promise.withResolvers<void>();
      const listener = (): void => aborted.resolve();
      signal.addEventListener('abort', listener, { once: true });
      await Promise.race([this.nextRelease(), aborted.promise]);
      signal.removeEventListener('abort', listener);
    }
  }

  release(): void {
    this.used -= 1;
    for (const wake of this.waiting.splice(0)) wake();
  }

  private nextRelease(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
