import { randomBytes } from 'node:crypto';
import type { Broker } from '@runledger/nest-jetstream';
import { JetStreamRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import { Journal } from '@runledger/testkit';
import type { Cleanup } from './cleanup.ts';

const EVENTS_PER_COMMIT = 20;
const ULID_LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * Executors' way of writing without executors: each writer holds a run of its own and records events through the log's
 * library, as fast as they are acknowledged. For drills of the broker alone: with services they would be taken over.
 */
export class Writers {
  /** `<run>#<index>` of every event. */
  readonly journal = new Journal();
  readonly #log: RunLog;
  readonly #addresses: RunAddress[] = [];
  #writing = true;
  #loops: Promise<void>[] = [];

  private constructor(log: RunLog) {
    this.#log = log;
  }

  static async begin(cleanup: Cleanup, broker: Broker, count: number): Promise<Writers> {
    const log = new JetStreamRunLog(broker, { writer: 'drill/writers', patienceMs: 60_000 });
    const writers = new Writers(log);
    cleanup.add('writers', async () => {
      writers.#writing = false;
      await log.close();
    });
    writers.#loops = await Promise.all(
      Array.from({ length: count }, async () => {
        const address = await writers.#start();
        // Wrapped, so that the start is awaited and the writing is not.
        return { loop: writers.#write(address) };
      }),
    ).then((begun) => begun.map(({ loop }) => loop));
    return writers;
  }

  /** Ends after what is in flight now. */
  async stop(): Promise<void> {
    this.#writing = false;
    await Promise.all(this.#loops);
  }

  /** Stops without waiting: the broker will never answer again. */
  abandon(): void {
    this.#writing = false;
    for (const loop of this.#loops) loop.catch(() => undefined);
  }

  /** Every event that a log has of these runs. */
  async stored(log: RunLog): Promise<string[]> {
    const found: string[] = [];
    for (const address of this.#addresses)
      for (let after = 0; ;) {
        const { lines, last_seq } = await log.page(address, after, 1_000);
        for (const line of lines) if (line.type === 'log.written') found.push(nameOf(address, line.line));
        after = lines.at(-1)?.seq ?? last_seq;
        if (after >= last_seq) break;
      }
    return found;
  }

  async #start(): Promise<RunAddress> {
    const letters = [...randomBytes(24)].map((byte) => ULID_LETTERS[byte % 32]).join('');
    const address = { tenant_id: 'drill', run_id: `01${letters}` };
    this.#addresses.push(address);
    const request = {
      agent_id: 'writer',
      agent_name: 'Writer',
      agent_revision: 1,
      agent_sha256: '0'.repeat(64),
      input: null,
      env_keys: [],
      tenant_id: address.tenant_id,
      user_id: 'dev',
      channel: 'api' as const,
      root_run_id: address.run_id,
      depth: 0,
      labels: {},
      priority: 0,
      limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 1 },
      trace: false,
      schema: 1 as const,
    };
    await this.#log.completeStart(this.#log.prepareStart({ type: 'StartRun', request }, address));
    return address;
  }

  async #write(address: RunAddress): Promise<void> {
    const begun = await this.#log.execute(address, () => ({
      type: 'BeginAttempt',
      dispatch: 1,
      work_seq: 1,
      delivery: 1,
      executor: 'drill',
      pool: 'default',
      engine: 'builtin',
    }));
    if (begun.refusal) throw new Error(begun.refusal.detail);
    const run = await this.#log.hold(address, begun);
    const padding = 'x'.repeat(80);
    for (let index = 0; this.#writing; index += EVENTS_PER_COMMIT) {
      const indexes = Array.from({ length: EVENTS_PER_COMMIT }, (_, offset) => index + offset);
      for (const one of indexes) this.journal.attempted(`${address.run_id}#${one}`);
      const refusal = await run.record(
        indexes.map((one) => ({
          type: 'log.written',
          data: { index: one, level: 'info', source: 'agent', message: padding },
        })),
      );
      if (refusal) throw new Error(refusal.detail);
      for (const one of indexes) this.journal.acknowledged(`${address.run_id}#${one}`);
    }
    await run.release();
  }
}

function nameOf(address: RunAddress, line: string): string {
  const { data } = JSON.parse(line) as { data: { index: number } };
  return `${address.run_id}#${data.index}`;
}
