/** A bucket whose writers say which revision of the whole bucket they have seen. */
export class KeyValue<V> {
  readonly #entries = new Map<string, V>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  snapshot(): { revision: number; entries: Map<string, V> } {
    return { revision: this.#revision, entries: new Map(this.#entries) };
  }

  /** The stored value: its own, or the one that was there. */
  create(key: string, value: V): V {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    this.#write(key, value);
    return value;
  }

  /** The new revision; undefined: somebody else has written since. `undefined` as value removes the key. */
  put(key: string, value: V | undefined, expected: number): number | undefined {
    if (expected !== this.#revision) return undefined;
    return this.#write(key, value);
  }

  #write(key: string, value: V | undefined): number {
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, value);
    return (this.#revision += 1);
  }
}
