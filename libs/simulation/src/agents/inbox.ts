import { liveChildren, type EventData, type RunEvent } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';

export type ChildEnd = EventData['child.ended'];

/** The ends of children, as others append them to a held run. */
export class Inbox {
  readonly #ends = new Map<string, ChildEnd>();
  #waiting: (() => void)[] = [];

  constructor(private readonly held: HeldRun) {
    held.onForeign((event) => this.#keep(event));
    held.lost.addEventListener('abort', () => this.#wake(), { once: true });
  }

  learn(history: readonly RunEvent[]): void {
    for (const event of history) this.#keep(event);
  }

  endOf(childId: string): ChildEnd | undefined {
    return this.#ends.get(childId);
  }

  async whenEnded(childId: string): Promise<ChildEnd> {
    for (;;) {
      const end = this.#ends.get(childId);
      if (end) return end;
      await this.#news();
    }
  }

  /** False when the hold was lost, or `unless` aborted, before the last child had ended. */
  async whenNoChildLives(unless: AbortSignal): Promise<boolean> {
    unless.addEventListener('abort', () => this.#wake(), { once: true });
    while (liveChildren(this.held.run).length > 0) {
      if (this.held.lost.aborted || unless.aborted) return false;
      await this.#news();
    }
    return true;
  }

  #keep(event: RunEvent): void {
    if (event.type !== 'child.ended') return;
    this.#ends.set(event.data.child_run_id, event.data);
    this.#wake();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
