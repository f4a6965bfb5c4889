import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { LAYOUT, PERMISSIONS } from '@runledger/proto';
import { bootstrap, type Broker, connectBroker, inboxPrefix, makeIdentity } from '../src/index.ts';
import { startBroker, temporaryFolder, waitFor } from '@runledger/testkit';
import { LAYOUT_SERVICES, type LockedBroker, startLockedBroker } from './locked-broker.ts';
import { matches, publishVerbs, subscribeVerbs, type Verb } from './verbs.ts';

const POOL = 'gpu';
/** Where something of a run may be that is to be erased. */
const ERASED = ['DEAD', 'KV_idempotency', 'KV_run-env', 'OBJ_blobs', 'RUNS'];
const PUBLISH = publishVerbs(POOL, 'stranger');
const SUBSCRIBE = subscribeVerbs();

/** A connection, and every subject that the broker has refused to it. */
class Watched {
  readonly refusals = { publish: new Set<string>(), subscription: new Set<string>() };
  private tried = 0;

  constructor(
    private readonly nc: NatsConnection,
    private readonly service: string,
  ) {
    void this.listen();
  }

  async refused(operation: 'publish' | 'subscription', verbs: readonly Verb[]): Promise<string[]> {
    const found = this.refusals[operation];
    found.clear();
    const reply = `${inboxPrefix(this.service)}.nobody`;
    // Refused to everybody, and told in order: when this one is, all before it are.
    const last = `never.${(this.tried += 1)}`;
    for (const subject of [...verbs.map((verb) => verb.subject), last]) {
      if (operation === 'publish') this.nc.publish(subject, '', { reply });
      else this.nc.subscribe(subject, { callback: () => undefined });
    }
    await waitFor(() => found.delete(last), { describe: 'the broker to refuse the last one' });
    return [...found].sort();
  }

  private async listen(): Promise<void> {
    for await (const status of this.nc.status())
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
        this.refusals[status.error.operation].add(status.error.subject);
  }
}

const subjectsOf = (verbs: readonly Verb[]): string[] =>
  [...new Set(verbs.map(({ subject }) => subject))].sort();
const allowedTo = (service: string, verbs: readonly Verb[]): Verb[] =>
  verbs.filter(({ allowed }) => allowed.includes(service));
const forbiddenTo = (service: string, verbs: readonly Verb[]): Verb[] =>
  verbs.filter(({ allowed }) => !allowed.includes(service));

describe('what each service may do at the broker', () => {
  let locked: LockedBroker;
  const connections: Broker[] = [];
  const watched = new Map<string, Watched>();

  beforeAll(async () => {
    locked = await startLockedBroker(['default', POOL]);
    for (const service of LAYOUT_SERVICES) {
      const broker = await locked.as(service);
      connections.push(broker);
      watched.set(service, new Watched(broker.nc, service));
      if (service === 'bootstrap') await bootstrap(broker, LAYOUT);
    }
  });
  afterAll(async () => {
    for (const broker of connections) await broker.close();
    await locked.stop();
  });

  it('the matrix is as large as it looks', () => {
    expect(subjectsOf(PUBLISH).length * LAYOUT_SERVICES.length).toBeGreaterThan(2_000);
    expect(LAYOUT_SERVICES).toHaveLength(6);
  });

  it.each(LAYOUT_SERVICES)(
    '%s: every publication of others is refused, every one of its own is not',
    async (service) => {
      expect(await watched.get(service)?.refused('publish', PUBLISH)).toEqual(
        subjectsOf(forbiddenTo(service, PUBLISH)),
      );
    },
  );

  it.each(LAYOUT_SERVICES)(
    '%s: every subscription of others is refused, every one of its own is not',
    async (service) => {
      expect(await watched.get(service)?.refused('subscription', SUBSCRIBE)).toEqual(
        subjectsOf(forbiddenTo(service, SUBSCRIBE)),
      );
    },
  );

  it.each(LAYOUT_SERVICES)('%s: is granted nothing that the matrix does not try', (service) => {
    const { publish, subscribe } = PERMISSIONS[service];
    const untried = (patterns: readonly string[], verbs: readonly Verb[]): string[] =>
      patterns
        .map((pattern) => pattern.replaceAll('<pool>', POOL))
        .filter((pattern) => !allowedTo(service, verbs).some(({ subject }) => matches(pattern, subject)));
    expect([untried(publish, PUBLISH), untried(subscribe, SUBSCRIBE)]).toEqual([[], []]);
  });

  it('nobody may publish live.>, and nobody but bootstrap may make, change, delete or purge a stream', () => {
    for (const service of LAYOUT_SERVICES) {
      const { publish } = PERMISSIONS[service];
      expect(
        publish.filter((pattern) => matches(pattern, 'live.runs.a.b') || pattern.startsWith('live')),
      ).toEqual([]);
      const verbs = publish
        .filter((pattern) => /^\$JS\.API\.STREAM\.(?!INFO\.|MSG\.GET\.)/.test(pattern))
        .sort();
      const wanted = {
        bootstrap: ['CREATE.*', 'UPDATE.*'],
        reconciler: ERASED.map((stream) => `MSG.DELETE.${stream}`),
      };
      expect(verbs).toEqual(
        (wanted[service as keyof typeof wanted] ?? []).map((verb) => `$JS.API.STREAM.${verb}`),
      );
      expect(publish.filter((pattern) => pattern.startsWith('>') || pattern.startsWith('*'))).toEqual([]);
    }
  });

  it("a durable that is there cannot be made to deliver to a subject of somebody's choice", async () => {
    const scheduler = connections[LAYOUT_SERVICES.indexOf('run-scheduler')] as Broker;
    const make = async (config: object): Promise<unknown> => {
      const answer = await scheduler.nc.request(
        '$JS.API.CONSUMER.CREATE.RUNS.run-scheduler-runs.runs.*.*',
        JSON.stringify({
          stream_name: 'RUNS',
          config: {
            name: 'run-scheduler-runs',
            durable_name: 'run-scheduler-runs',
            filter_subject: 'runs.*.*',
            ack_policy: 'explicit',
            deliver_policy: 'all',
            ...config,
          },
        }),
      );
      return answer.json<{ error?: { err_code: number } }>().error?.err_code;
    };
    expect(await make({})).toBeUndefined();
    expect(await make({ deliver_subject: 'live.runs.acme.one' })).toBe(10_012);
    expect(await make({ filter_subject: 'runs.acme.*' })).toBeDefined();
  });

  it('a service may have its identity at a broker that asks for none', async () => {
    const open = await startBroker();
    try {
      const { seedFile } = locked.identities.gateway;
      const broker = await connectBroker({ url: open.url, name: 'gateway', nkey: seedFile });
      expect(broker.nc.info?.auth_required ?? false).toBe(false);
      await broker.close();
    } finally {
      await open.stop();
    }
  });

  it('an identity that the broker does not know is refused at once', async () => {
    const folder = await temporaryFolder();
    try {
      const { seedFile } = await makeIdentity(folder.path, 'stranger');
      await expect(
        connectBroker({ url: locked.server.url, name: 'stranger', nkey: seedFile }),
      ).rejects.toMatchObject({ name: 'BrokerUnusable', code: 'refused' });
      await expect(connectBroker({ url: locked.server.url, name: 'nobody' })).rejects.toMatchObject({
        code: 'refused',
      });
    } finally {
      await folder.remove();
    }
  });
});
