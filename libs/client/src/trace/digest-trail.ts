const BYTES = 32;
const FIRST_ROOM = 1_024;

/** The digest after each event of a run, and where the event begins: 40 bytes each, for runs of a million events. */
export class DigestTrail {
  #digests = new Uint8Array(FIRST_ROOM * BYTES);
  #offsets = new Float64Array(FIRST_ROOM);
  #length = 0;

  /** The last event. */
  get seq(): number {
    return this.#length;
  }

  push(digest: string, offset: number): void {
    if (this.#length === this.#offsets.length) this.#grow();
    for (let at = 0; at < BYTES; at++)
      this.#digests[this.#length * BYTES + at] = Number.parseInt(digest.slice(at * 2, at * 2 + 2), 16);
    this.#offsets[this.#length++] = offset;
  }

  digestAfter(seq: number): string | undefined {
    if (seq < 1 || seq > this.#length) return undefined;
    const bytes = this.#digests.subarray((seq - 1) * BYTES, seq * BYTES);
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  offsetOf(seq: number): number {
    return this.#offsets[seq - 1] ?? 0;
  }

  #grow(): void {
    const digests = new Uint8Array(this.#digests.length * 2);
    digests.set(this.#digests);
    this.#digests = digests;
    const offsets = new Float64Array(this.#offsets.length * 2);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
  }
}
