import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@runledger/testkit';
import { type Cell, startCell } from '../cell.ts';
import type { Cleanup } from '../cleanup.ts';
import type { Drill } from '../drill.ts';
import { EffectsFile } from '../effects-file.ts';
import { Load, MIX, Pressure } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { Namespace } from '../namespace.ts';
import { startsUntil } from '../probe.ts';
import { mixedWith, People } from '../people.ts';
import { Relay } from '../relay.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';
import { inFlight } from './services.ts';

const START = { agent_id: 'burst', input: { count: 1, bytes: 10 } };

/**
 * Row 8: the services are in a network of their own whose cable is pulled; the gateway's link stays open and silent at
 * the same time, so both kinds of partition are met.
 */
export const partition: Drill = {
  name: 'partition',
  rows: '8',
  title: 'no packet passes between the services and the broker for 5 s',
  needs: ['namespaces'],
  async run({ cleanup, figures, say, long }) {
    const lengths = long ? [5_000, 30_000, 120_000] : [5_000, 5_000];
    const { cell, namespace, relays, effects, load } = await startApart(cleanup);
    const people = await People.on(cell, cleanup, effects);
    const audit = new LogAudit(cell.broker, people.take);
    people.work(cell, audit);
    const pressure = new Pressure(load, 20, async () => inFlight(await audit.read()), {
      jobs: mixedWith(MIX),
    });
    await pressure.begin();
    const recoveries: number[] = [];
    let early = 0;
    for (const ms of lengths) {
      await pause(2_000);
      people.fault();
      await namespace.pull();
      for (const relay of relays) relay.freeze();
      const until = performance.now() + ms;
      const answers = await startsUntil(cell, 100, START, () => performance.now() > until - 100);
      early += answers.filter(({ status }) => status >= 200 && status < 300).length;
      await pause(Math.max(0, until - performance.now()));
      for (const relay of relays) relay.thaw();
      await namespace.plug();
      const healed = performance.now();
      const runId = await load.start(START);
      await waitFor(async () => (await audit.read()).runs.get(runId)?.end, {
        timeoutMs: 90_000,
        describe: 'a run that was started after the heal to end',
      });
      recoveries.push(performance.now() - healed);
      say(`cut for ${ms / 1_000} s, whole path again after ${Math.round(recoveries.at(-1) ?? 0)} ms`);
    }
    await pressure.stop();
    await allEnded(figures, audit, 180_000);
    await load.observersDone(60_000);
    figures.tell('cuts', lengths.map((ms) => `${ms / 1_000} s`).join(', '));
    figures.exactly('starts answered 2xx while nothing passed', early, 0);
    figures.atMost(
      'from the heal to the end of a run started then',
      Math.max(...recoveries) / 1_000,
      30,
      's',
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    await people.check(figures);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

interface Apart {
  cell: Cell;
  namespace: Namespace;
  /** Of the gateway, which is asked from outside of the namespace. */
  relays: Relay[];
  effects: EffectsFile;
  load: Load;
}

/** A cell whose services, but for the gateway, reach the broker over a cable of their own. */
async function startApart(cleanup: Cleanup): Promise<Apart> {
  const namespace = await Namespace.make(cleanup);
  const relays: Relay[] = [];
  const through = async (service: string, url: string): Promise<string> => {
    const relay = await Relay.to(
      cleanup,
      Number(new URL(url).port),
      service === 'gateway' ? '127.0.0.1' : namespace.outside,
    );
    if (service === 'gateway') relays.push(relay);
    return relay.url;
  };
  const effects = await EffectsFile.make(cleanup);
  const cell = await startCell(cleanup, {
    through,
    env: { RUNLEDGER_EFFECTS_FILE: effects.path },
    placement: (service) =>
      service === 'gateway' ? {} : { namespace: namespace.name, host: namespace.inside },
  });
  const load = await Load.on(cell);
  cleanup.add('load', () => load.stop());
  return { cell, namespace, relays, effects, load };
}
