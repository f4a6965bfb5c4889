import type { RecordedEvent } from '@runledger/harness';
import { liveChildren, type AnyEvent, type EventData } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';

export type ChildEnd = EventData['child.ended'];

/** What others append to a held run, kept from the first moment of the hold on: nudges, and the ends of children. */
export class Inbox {
  readonly #nudges = new Map<string, string>();
  readonly #ends = new Map<string, ChildEnd>();
  #waiting: (() => void)[] = [];

  constructor(private readonly held: HeldRun) {
    held.onForeign((event) => this.#keep(event));
    held.lost.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** What was there before the hold. */
  learn(history: readonly RecordedEvent[]): void {
    for (const { type, data } of history) this.#keep({ type, data });
  }

  /** Oldest first; the fold of the run says which are still pending. */
  pendingNudges(): { nudge_id: string; message: string }[] {
    return this.held.run.nudges.map(({ nudge_id }) => ({ nudge_id, message: this.textOf(nudge_id) }));
  }

  textOf(nudgeId: string): string {
    return this.#nudges.get(nudgeId) ?? '';
  }

  endOf(childId: string): ChildEnd | undefined {
    return this.#ends.get(childId);
  }

  /** Resolves when the child has ended; never when the hold is lost before. */
  async whenEnded(childId: string): Promise<ChildEnd> {
    for (;;) {
      const end = this.#ends.get(childId);
      if (end) return end;
      await this.#news();
    }
  }

  /** False when the hold was lost, or `unless` aborted, before the last child had ended. */
  async whenNoChildLives(unless: AbortSignal): Promise<boolean> {
    const wake = (): void => this.#wake();
    unless.addEventListener('abort', wake, { once: true });
    try {
      while (liveChildren(this.held.run).length > 0) {
        if (this.held.lost.aborted || unless.aborted) return false;
        await this.#news();
      }
      return true;
    } finally {
      unless.removeEventListener('abort', wake);
    }
  }

  #keep({ type, data }: Pick<AnyEvent, 'type' | 'data'>): void {
    if (type === 'nudge.received') {
      const { nudge_id, message } = data as EventData['nudge.received'];
      this.#nudges.set(nudge_id, message);
    } else if (type === 'child.ended') {
      const end = data as ChildEnd;
      this.#ends.set(end.child_run_id, end);
      this.#wake();
    }
  }

  #news(): Promise<void> {
    if (this.held.lost.aborted) return new Promise(() => undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
