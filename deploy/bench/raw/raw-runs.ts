/**
 * The least that a broker must do for runs: the commits of a real run, each expecting the one before; a grant in a
 * bucket; a message on the work queue, consumed and acked; the grant removed.
 */
import { randomBytes } from 'node:crypto';
import { AckPolicy, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { headers as newHeaders } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { admissionKey, bucketSubject, encodeWork, runSubject, workSubject } from '@runledger/wire';
import { payloadFor, type RunTemplate } from './run-template.ts';

const TENANT = 'local';

/** Ids as long as the product's. */
export const newRunId = (): string => `0${randomBytes(13).toString('hex').toUpperCase().slice(1)}`;

export class RawRuns {
  readonly #broker: Broker;
  readonly #template: RunTemplate;
  readonly #pool: string;
  readonly #waiting = new Map<string, { stream_seq: number; done: () => void }>();
  #messages: ConsumerMessages | undefined;

  constructor(broker: Broker, template: RunTemplate, pool: string) {
    this.#broker = broker;
    this.#template = template;
    this.#pool = pool;
  }

  async listen(): Promise<void> {
    const jsm = await this.#broker.jsm();
    await jsm.consumers.add('WORK', {
      durable_name: this.#pool,
      ack_policy: AckPolicy.Explicit,
      filter_subject: ['work', this.#pool, '*', '*'].join('.'),
      max_ack_pending: 10_000,
    });
    const consumer = await this.#broker.js.consumers.get('WORK', this.#pool);
    this.#messages = await consumer.consume({
      max_messages: 128,
      callback: (message) => void this.#work(message),
    });
  }

  async stop(): Promise<void> {
    await this.#messages?.close();
    await (await this.#broker.jsm()).consumers.delete('WORK', this.#pool);
  }

  /** One run from its first commit to its last. */
  async run(): Promise<void> {
    const runId = newRunId();
    const stream_seq = await this.append(runId, 0, 0);
    const done = Promise.withResolvers<void>();
    this.#waiting.set(runId, { stream_seq, done: done.resolve });
    await this.#grant(runId, JSON.stringify(grantOf(runId)));
    await this.#request(workSubject(this.#pool, TENANT, runId), encodeWork({ dispatch: 1 }));
    await done.promise;
  }

  /** All commits of one run, and no work. */
  async log(): Promise<void> {
    const runId = newRunId();
    let expected = 0;
    for (const index of this.#template.commits.keys()) expected = await this.append(runId, index, expected);
  }

  append(runId: string, index: number, expected: number): Promise<number> {
    const head = newHeaders();
    for (const [name, value] of Object.entries(this.#template.commits[index]?.headers ?? {}))
      head.set(name, value);
    head.set('Nats-Expected-Last-Subject-Sequence', String(expected));
    return this.#request(runSubject(TENANT, runId), payloadFor(this.#template, index, runId), head);
  }

  async #work(message: JsMsg): Promise<void> {
    const runId = message.subject.split('.').at(-1) ?? '';
    const waiting = this.#waiting.get(runId);
    this.#waiting.delete(runId);
    // Of an earlier round, whose consumer was removed before the broker had taken its last acks.
    if (!waiting) return message.ack();
    let expected = waiting.stream_seq;
    for (let index = 1; index < this.#template.commits.length; index += 1)
      expected = await this.append(runId, index, expected);
    message.ack();
    waiting.done();
    const removed = newHeaders();
    removed.set('KV-Operation', 'DEL');
    removed.set('Nats-TTL', '10s');
    await this.#grant(runId, '', removed);
  }

  #grant(runId: string, payload: string, head = newHeaders()): Promise<number> {
    return this.#request(bucketSubject('admission', admissionKey(TENANT, runId)), payload, head);
  }

  async #request(subject: string, payload: string, head = newHeaders()): Promise<number> {
    const answer = await this.#broker.nc.request(subject, payload, { timeout: 30_000, headers: head });
    const { seq, error } = answer.json<{ seq?: number; error?: { description: string } }>();
    if (seq === undefined || error) throw new Error(`${subject}: ${error?.description ?? 'no sequence'}`);
    return seq;
  }
}

/** What the product stores for a grant. */
function grantOf(runId: string): object {
  return {
    run_id: runId,
    user_id: 'dev',
    agent_id: 'burst',
    root_run_id: runId,
    priority: 0,
    since: 1_700_000_000_000,
    state: 'granted',
    dispatch: 1,
  };
}
