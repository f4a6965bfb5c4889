import { isId } from '@runledger/wire';
import { ulidBytes, ulidText } from './ulid-bytes.ts';

/** Runs on one connection. */
export const MOST_RUNS = 200;

const VERSION = 1;
const ID_BYTES = 16;
const CURSOR_BYTES = 6;
const SLOT_BYTES = ID_BYTES + CURSOR_BYTES;
const HEAD_BYTES = 1 + ID_BYTES;

/**
 * How far each run of one connection has been sent, and the token that says so. The token is made for every frame, so
 * it is kept as the bytes that it stands for: version, floor, and for each run its id and its cursor.
 */
export class RunCursors {
  #bytes = Buffer.alloc(HEAD_BYTES);
  readonly #slots = new Map<string, number>();

  constructor() {
    this.#bytes[0] = VERSION;
  }

  /** Undefined for a text that is no token. */
  static parse(token: string): RunCursors | undefined {
    if (!/^[A-Za-z0-9_-]{1,12000}$/.test(token)) return undefined;
    const bytes = Buffer.from(token, 'base64url');
    const count = (bytes.length - HEAD_BYTES) / SLOT_BYTES;
    if (bytes[0] !== VERSION || !Number.isInteger(count) || count < 0 || count > MOST_RUNS) return undefined;
    const cursors = new RunCursors();
    cursors.floor = ulidText(bytes.subarray(1, HEAD_BYTES));
    for (let at = HEAD_BYTES; at < bytes.length; at += SLOT_BYTES) {
      const runId = ulidText(bytes.subarray(at, at + ID_BYTES));
      if (!isId('run_id', runId) || cursors.#slots.has(runId)) return undefined;
      cursors.set(runId, bytes.readUIntBE(at + ID_BYTES, CURSOR_BYTES));
    }
    return cursors;
  }

  /** A run whose id is not above it, and that has no cursor, has been sent already. */
  get floor(): string {
    return ulidText(this.#bytes.subarray(1, HEAD_BYTES));
  }

  set floor(runId: string) {
    ulidBytes(runId).copy(this.#bytes, 1);
  }

  get token(): string {
    return this.#bytes.toString('base64url');
  }

  get size(): number {
    return this.#slots.size;
  }

  has(runId: string): boolean {
    return this.#slots.has(runId);
  }

  get(runId: string): number | undefined {
    const at = this.#slots.get(runId);
    return at === undefined ? undefined : this.#bytes.readUIntBE(at + ID_BYTES, CURSOR_BYTES);
  }

  set(runId: string, seq: number): void {
    let at = this.#slots.get(runId);
    if (at === undefined) {
      at = this.#bytes.length;
      this.#bytes = Buffer.concat([this.#bytes, ulidBytes(runId), Buffer.alloc(CURSOR_BYTES)]);
      this.#slots.set(runId, at);
    }
    this.#bytes.writeUIntBE(seq, at + ID_BYTES, CURSOR_BYTES);
  }

  /** Of a run that has been sent whole: the floor says so from now on. */
  drop(runId: string): void {
    const at = this.#slots.get(runId);
    if (at === undefined) return;
    if (runId > this.floor) this.floor = runId;
    this.#bytes = Buffer.concat([this.#bytes.subarray(0, at), this.#bytes.subarray(at + SLOT_BYTES)]);
    this.#slots.delete(runId);
    for (const [other, place] of this.#slots) if (place > at) this.#slots.set(other, place - SLOT_BYTES);
  }

  /** The cursors of these runs alone, as they are now. */
  only(runs: Iterable<{ address: { run_id: string }; after: number }>): RunCursors {
    const cursors = new RunCursors();
    cursors.floor = this.floor;
    for (const { address, after } of runs) cursors.set(address.run_id, after);
    return cursors;
  }

  *[Symbol.iterator](): Iterator<[runId: string, after: number]> {
    for (const runId of this.#slots.keys()) yield [runId, this.get(runId) ?? 0];
  }
}
