import { AgentStopped, type HarnessContext } from '@runledger/harness';
import type { EventData } from '@runledger/run';

type Nudge = { nudge_id: string; message: string };

/**
 * Nudges on their way to a process: each is acknowledged on disk, then sent before the answer of a call, and its `turn`
 * is the index of that call. A resumed process gets it before the same answer again.
 */
export class ProcessNudges {
  readonly #recorded = new Map<number, Nudge[]>();
  readonly #taken = new Set<string>();
  #replayedUntil = 0;

  constructor(
    private readonly context: HarnessContext,
    private readonly send: (nudge: Nudge) => void,
  ) {
    const texts = new Map<string, string>();
    for (const { type, data } of context.history) {
      const { index } = data as { index?: unknown };
      if (typeof index === 'number') this.#replayedUntil = Math.max(this.#replayedUntil, index + 1);
      if (type === 'nudge.received') {
        const { nudge_id, message } = data as EventData['nudge.received'];
        texts.set(nudge_id, message);
      } else if (type === 'nudge.acknowledged') {
        const { nudge_id, turn } = data as EventData['nudge.acknowledged'];
        const nudge = { nudge_id, message: texts.get(nudge_id) ?? '' };
        this.#recorded.set(turn, [...(this.#recorded.get(turn) ?? []), nudge]);
      }
    }
  }

  /** Before the answer of the call with this index. A stop that comes first leaves the nudge unread. */
  async deliver(index: number): Promise<void> {
    for (const nudge of this.#recorded.get(index) ?? []) this.send(nudge);
    this.#recorded.delete(index);
    // What happened after this call is on record: the process must come to it as it did then.
    if (index < this.#replayedUntil) return;
    for (const nudge of this.context.nudges()) {
      if (this.#taken.has(nudge.nudge_id)) continue;
      this.#taken.add(nudge.nudge_id);
      try {
        await this.context.emit([
          { type: 'nudge.acknowledged', data: { nudge_id: nudge.nudge_id, turn: index } },
        ]);
      } catch (error) {
        if (error instanceof AgentStopped) return;
        throw error;
      }
      this.send(nudge);
    }
  }
}
