import { createHash } from 'node:crypto';
import type { Json, RunledgerClient } from '@runledger/client';
import { waitFor } from '@runledger/testkit';
import { type Cell, type CellOptions, startCell } from './cell.ts';
import type { DrillContext, Figures } from './drill.ts';
import { type ObserverOptions, StreamObserver } from './stream-observer.ts';

const WORK = { stream: 'WORK', durable: 'agent-executor-work-default' };
const HELD_MS = 120_000;

/** A system whose runs are watched by many on bare connections. */
export class StreamField {
  readonly observers: StreamObserver[] = [];
  readonly #watching: Promise<void>[] = [];

  readonly cell: Cell;
  readonly key: string;
  readonly client: RunledgerClient;

  private constructor(cell: Cell, key: string, client: RunledgerClient) {
    this.cell = cell;
    this.key = key;
    this.client = client;
  }

  static async make({ cleanup }: DrillContext, options: CellOptions = {}): Promise<StreamField> {
    const cell = await startCell(cleanup, options);
    const field = new StreamField(cell, await cell.key(), await cell.client());
    cleanup.add('observers', () => field.stop());
    return field;
  }

  async start(agent_id: string, input: Json): Promise<string> {
    return (await this.client.start({ agent_id, input })).run_id;
  }

  /** Starts a run that does nothing before `go` is called: its work waits on the queue. */
  async hold(agent_id: string, input: Json): Promise<{ runId: string; go: () => Promise<unknown> }> {
    const jsm = await this.cell.broker.jsm();
    await jsm.consumers.pause(WORK.stream, WORK.durable, new Date(Date.now() + HELD_MS));
    const runId = await this.start(agent_id, input);
    return { runId, go: () => jsm.consumers.resume(WORK.stream, WORK.durable) };
  }

  observer(runId: string, more: Partial<ObserverOptions> = {}, after = 0): StreamObserver {
    const observer = new StreamObserver({ key: this.key, runId, url: () => this.cell.url, ...more }, after);
    this.observers.push(observer);
    return observer;
  }

  watch(observer: StreamObserver): void {
    this.#watching.push(observer.watch());
  }

  stop(): void {
    for (const observer of this.observers) observer.stop();
  }

  /** Until every one of them has seen the end of its run; who has not by then is in the figures. */
  async allDone(figures: Figures, timeoutMs: number): Promise<void> {
    const waiting = (): StreamObserver[] => this.observers.filter(({ isDone }) => !isDone);
    await waitFor(() => waiting().length === 0, {
      timeoutMs,
      everyMs: 100,
      describe: 'every observer to see the end',
    }).catch(() => undefined);
    figures.none(
      'observers that did not see the end',
      waiting().map((one) => `at ${one.last}`),
    );
    this.stop();
    await Promise.all(this.#watching);
  }

  async lastSeq(runId: string): Promise<number> {
    const { seq } = await this.client.getRun(runId);
    return seq;
  }

  /** Of the run's lines as NDJSON has them. */
  async sha256(runId: string): Promise<{ sha256: string; lines: string[] }> {
    const response = await fetch(`${this.cell.url}/runs/${runId}/events`, {
      headers: { authorization: `Bearer ${this.key}`, accept: 'application/x-ndjson' },
    });
    const text = await response.text();
    return { sha256: createHash('sha256').update(text).digest('hex'), lines: text.trimEnd().split('\n') };
  }

  /** Every observer that saw its run from the first event on saw what the log has; nobody saw a hole or a repeat. */
  async check(figures: Figures): Promise<void> {
    figures.none(
      'holes and repeats that were seen',
      this.observers.flatMap(({ troubles }) => troubles),
    );
    figures.none('exits that nobody asked for', this.cell.unexpectedExits);
  }

  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.cell.url}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'))]
      .filter(([, given = '']) => given.includes(labels))
      .reduce((sum, [, , value]) => sum + Number(value), 0);
  }

  /** Consumers of the log, as the broker counts them. */
  async consumers(): Promise<number> {
    const jsm = await this.cell.broker.jsm();
    return (await jsm.streams.info('RUNS')).state.consumer_count;
  }
}
