import { describe, expect, it } from '@jest/globals';
import { bootstrap, connectBroker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { journal, startCluster } from '@runledger/testkit';
import { JetStreamRunLog, type RunAddress, type RunLog } from '../src/index.ts';
import { beginErasing } from './log-server.ts';
import { runLogContract } from './run-log.contract.ts';
import { someAddress, someBegin, someLog, someStart } from './samples.ts';

async function startLogCluster() {
  const cluster = await startCluster();
  const broker = await connectBroker({ url: cluster.url, name: 'run-log specs' });
  await bootstrap(broker, LAYOUT, { replicas: 3 });
  return {
    cluster,
    // Who can wait waits longer than a cluster on a busy machine needs for its elections.
    open: (writer: string): RunLog => new JetStreamRunLog(broker, { writer, patienceMs: 90_000 }),
    beginErasing: (address: RunAddress) => beginErasing(broker, address),
    close: async () => {
      await broker.close();
      await cluster.stop();
    },
  };
}

runLogContract('a cluster of three brokers', startLogCluster);

describe('run log on a cluster of three brokers', () => {
  it('loses no acknowledged event, stores none twice and fails nobody who can wait when the leader is killed', async () => {
    const under = await startLogCluster();
    const log = under.open('agent-executor/one');
    const acknowledged = journal();
    const address = someAddress();
    await log.completeStart(log.prepareStart(someStart(address), address));
    const begun = await log.execute(address, () => someBegin());
    if (begun.refusal) throw new Error(begun.refusal.detail);
    const run = await log.hold(address, begun);
    let writing = true;
    const writer = (async () => {
      for (let index = 0; writing; index++) {
        acknowledged.attempted(`line ${index}`);
        await run.record([someLog(index)]);
        acknowledged.acknowledged(`line ${index}`);
      }
    })();
    for (let kill = 0; kill < 2; kill++) {
      const leader = await under.cluster.leaderOf('RUNS');
      await leader.kill();
      const started = someAddress();
      await log.completeStart(log.prepareStart(someStart(started), started));
      await leader.restart();
    }
    writing = false;
    await writer;
    await run.release();
    const { lines } = await log.page(address, 0, 1_000_000);
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
    acknowledged.check(
      lines
        .filter((line) => line.type === 'log.written')
        .map((line) => (JSON.parse(line.line) as { data: { message: string } }).data.message),
    );
    await log.close();
    await under.close();
  }, 300_000);
});
