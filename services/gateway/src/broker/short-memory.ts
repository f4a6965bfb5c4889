/** Values that were read, found or not, each remembered for a short time and read once by all who ask meanwhile. */
export class ShortMemory<T> {
  readonly #entries = new Map<string, { value: Promise<T>; until: number }>();

  constructor(
    private readonly options: { ms: number; most: number },
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Counted from the beginning of the read, so that what is answered is never older than the time. */
  get(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known && this.now() < known.until) return known.value;
    const value = read();
    this.forget(key);
    this.#entries.set(key, { value, until: this.now() + this.options.ms });
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > this.options.most && !oldest.done) this.#entries.delete(oldest.value);
    value.catch(() => {
      if (this.#entries.get(key)?.value === value) this.#entries.delete(key);
    });
    return value;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }
}
