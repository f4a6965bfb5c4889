import type { RecordedEvent } from '@runledger/harness';
import type { EventData } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';

/** Nudges with their texts, as they arrive; the fold of the run says which are still pending. */
export class NudgeBox {
  readonly #messages = new Map<string, string>();

  constructor(
    history: readonly RecordedEvent[],
    private readonly held: HeldRun,
  ) {
    for (const event of history)
      if (event.type === 'nudge.received') this.#keep(event.data as EventData['nudge.received']);
    held.onForeign((event) => {
      if (event.type === 'nudge.received') this.#keep(event.data);
    });
  }

  /** Oldest first. */
  pending(): { nudge_id: string; message: string }[] {
    return this.held.run.nudges.map(({ nudge_id }) => ({
      nudge_id,
      message: this.#messages.get(nudge_id) ?? '',
    }));
  }

  #keep({ nudge_id, message }: EventData['nudge.received']): void {
    this.#messages.set(nudge_id, message);
  }
}
