import { holderSubject } from '@runledger/wire';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';

const ASK_MS = 1_000;

/** How a recorded holder answered: it holds the run, it does not, or nobody is there. */
export type HolderAnswer = 'holds' | 'does_not_hold' | 'gone' | 'silent';

/** Which runs this process holds now; answers other executors that ask, and asks them. */
export class HolderTable {
  readonly #held = new Set<string>();
  readonly #subscription: Subscription;

  constructor(
    private readonly nc: NatsConnection,
    readonly instance: string,
  ) {
    this.#subscription = nc.subscribe(holderSubject(instance), {
      callback: (error, message) => {
        if (error) return;
        message.respond(JSON.stringify({ held: this.#held.has(runIdOf(message.string())) }));
      },
    });
  }

  get size(): number {
    return this.#held.size;
  }

  holds(runId: string): boolean {
    return this.#held.has(runId);
  }

  /** True when the run was free; whoever gets true must `remove` it. */
  add(runId: string): boolean {
    if (this.#held.has(runId)) return false;
    this.#held.add(runId);
    return true;
  }

  remove(runId: string): void {
    this.#held.delete(runId);
  }

  async ask(executor: string, runId: string): Promise<HolderAnswer> {
    if (executor === this.instance) return this.holds(runId) ? 'holds' : 'does_not_hold';
    try {
      const reply = await this.nc.request(holderSubject(executor), JSON.stringify({ run_id: runId }), {
        timeout: ASK_MS,
      });
      return reply.json<{ held?: unknown }>().held === true ? 'holds' : 'does_not_hold';
    } catch (error) {
      return error instanceof Error && /no ?responders/i.test(`${error.name} ${error.message}`)
        ? 'gone'
        : 'silent';
    }
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

function runIdOf(text: string): string {
  try {
    const value = JSON.parse(text) as { run_id?: unknown } | null;
    return typeof value?.run_id === 'string' ? value.run_id : '';
  } catch {
    return '';
  }
}
