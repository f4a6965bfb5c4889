import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/nats-core';
import { waitFor } from '@runledger/testkit';
import { liveSubject, runSubject } from '@runledger/wire';
import type { LiveCommit } from '../src/engine/commit-store.ts';
import { JetStreamCommitStore } from '../src/jetstream/jetstream-commit-store.ts';
import type { RunAddress } from '../src/index.ts';
import { type LogServer, startLogServer } from './log-server.ts';
import { someAddress } from './samples.ts';

const VICTIM = someAddress();
const OTHER = someAddress();
const subjectOf = ({ tenant_id, run_id }: RunAddress): string => runSubject(tenant_id, run_id);

/** The headers of a commit of one event. */
const commitHeaders = {
  'Run-First': '1',
  'Run-Last': '1',
  'Run-Types': 'log.written',
  'Run-Commit': 'c1',
  'Run-Writer': 'gateway/one',
  'Run-Attempt': '0',
  'Run-Digest': 'ab'.repeat(32),
  'Run-Schema': '1',
};

describe('live copies of commits', () => {
  let server: LogServer;
  beforeAll(async () => {
    server = await startLogServer();
  });
  afterAll(() => server.close());

  it('an answer of the broker that is sent to a live subject is no copy: it is a gap, which is read from the log', async () => {
    const { broker } = server;
    const store = new JetStreamCommitStore(broker);
    const commits: LiveCommit[] = [];
    let gaps = 0;
    const watch = store.watch(
      VICTIM,
      (commit) => commits.push(commit),
      () => (gaps += 1),
    );
    await watch.ready;
    const head = headers();
    for (const [name, value] of Object.entries(commitHeaders)) head.set(name, value);
    // Written to look like a copy of another run's commit.
    head.set('Nats-Subject', subjectOf(VICTIM));
    head.set('Nats-Sequence', '7');
    head.set('Nats-Last-Sequence', '6');
    const { seq } = await broker.js.publish(subjectOf(OTHER), 'x', { headers: head });
    const reply = liveSubject(VICTIM.tenant_id, VICTIM.run_id);
    broker.nc.publish('$JS.API.DIRECT.GET.RUNS', JSON.stringify({ seq }), { reply });
    await waitFor(() => gaps === 1, { describe: 'the answer to be seen' });
    expect(commits).toEqual([]);

    // What the broker adds to a copy counts, not what the writer wrote.
    const stored = await broker.js.publish(subjectOf(VICTIM), 'x', { headers: head });
    await waitFor(() => commits.length === 1, { describe: 'the copy' });
    expect(commits[0]).toMatchObject({ stream_seq: stored.seq, previous: 0 });
    expect(gaps).toBe(1);
    watch.close();
    await store.close();
  });
});
