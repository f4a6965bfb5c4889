interface Lane {
  tail: Promise<unknown>;
  waiting: number;
  lastTicket: number;
  /** Tickets up to this one are handed back: a message before them failed. */
  failedUpTo: number;
  delayMs: number;
}

/** What a message's turn in its subject says: run, or go back for as long as the message before it. */
export type Turn = { handBackMs?: number; failed: (delayMs: number) => void };

/**
 * Messages of one subject take turns in the order of arrival. When one fails, those that already wait behind it go back
 * with it, so that they are not handled before it.
 */
export class SubjectLanes {
  private readonly lanes = new Map<string, Lane>();

  async run(subject: string, work: (turn: Turn) => Promise<void>): Promise<void> {
    const lane = this.enter(subject);
    const ticket = ++lane.lastTicket;
    const turn = lane.tail.then(() =>
      work({
        ...(ticket <= lane.failedUpTo ? { handBackMs: lane.delayMs } : {}),
        failed: (delayMs) => {
          lane.failedUpTo = lane.lastTicket;
          lane.delayMs = delayMs;
        },
      }),
    );
    lane.tail = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      lane.waiting -= 1;
      if (lane.waiting === 0) this.lanes.delete(subject);
    }
  }

  private enter(subject: string): Lane {
    const lane = this.lanes.get(subject) ?? {
      tail: Promise.resolve(),
      waiting: 0,
      lastTicket: 0,
      failedUpTo: 0,
      delayMs: 0,
    };
    lane.waiting += 1;
    this.lanes.set(subject, lane);
    return lane;
  }
}
