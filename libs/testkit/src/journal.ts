/** What a journal and the system under test do not agree on. */
export interface JournalFindings {
  /** Acknowledged, and not found. In the order of acknowledgement. */
  missing: string[];
  /** Found more than once. */
  twice: string[];
  /** Found, and never attempted: it came from nowhere. */
  unknown: string[];
  /** Attempted without an acknowledgement and found; allowed (the answer was lost, the effect was not). */
  unacknowledged: string[];
}

/**
 * The record that a test keeps outside of the system: what it attempted and what was acknowledged to it. Write
 * `attempted` before each call and `acknowledged` after its answer; compare at the end.
 */
export class Journal {
  private readonly attempts = new Set<string>();
  private readonly acknowledgements = new Set<string>();

  attempted(thing: string): void {
    this.attempts.add(thing);
  }

  acknowledged(thing: string): void {
    if (!this.attempts.has(thing)) throw new Error(`${thing} was acknowledged before it was attempted`);
    this.acknowledgements.add(thing);
  }

  get counts(): { attempted: number; acknowledged: number } {
    return { attempted: this.attempts.size, acknowledged: this.acknowledgements.size };
  }

  /** Compares with everything that the system has now, one entry per occurrence. */
  compare(found: Iterable<string>): JournalFindings {
    const times = new Map<string, number>();
    for (const thing of found) times.set(thing, (times.get(thing) ?? 0) + 1);
    const seen = [...times.keys()];
    return {
      missing: [...this.acknowledgements].filter((thing) => !times.has(thing)),
      twice: seen.filter((thing) => (times.get(thing) ?? 0) > 1),
      unknown: seen.filter((thing) => !this.attempts.has(thing)),
      unacknowledged: seen.filter((thing) => this.attempts.has(thing) && !this.acknowledgements.has(thing)),
    };
  }

  /** @throws Error naming them when anything is missing, there twice or from nowhere, or when nothing was acknowledged. */
  check(found: Iterable<string>): void {
    const { missing, twice, unknown } = this.compare(found);
    const faults = Object.entries({ missing, twice, unknown }).filter(([, things]) => things.length > 0);
    const told = faults.map(
      ([kind, things]) => `${things.length} ${kind}: ${things.slice(0, 10).join(', ')}`,
    );
    if (this.acknowledgements.size === 0) told.push('nothing was acknowledged at all, so nothing was shown');
    if (told.length > 0) throw new Error(`the journal does not agree: ${told.join('; ')}`);
  }
}

export function journal(): Journal {
  return new Journal();
}
