import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mongoForTests, startMongoServer, waitFor, type MongoServer } from '@runledger/testkit';
import { MongoClient, type Db } from 'mongodb';
import { openMongoViewStore, openViewStore, ViewsUnavailable, type ViewStore } from '../src/index.ts';
import { planOf } from '../src/mongo/list-runs.ts';
import { PAGE_INDEXES } from '../src/mongo/schema.ts';
import { labelText } from '../src/mongo/stored-view.ts';
import { runId, sampleView } from './sample-views.ts';
import { viewStoreContract } from './view-store.contract.ts';

const found = await mongoForTests();
const own = await mongoForTests({ own: true });
const newDatabase = (): string => `views_${randomBytes(6).toString('hex')}`;

(found ? describe : describe.skip)('on a server of the wire protocol', () => {
  let server: MongoServer;
  let raw: MongoClient;
  const made: string[] = [];

  beforeAll(async () => {
    server = await startMongoServer({ ...(found && { found }) });
    raw = new MongoClient(server.url);
  }, 60_000);
  afterAll(async () => {
    for (const name of made) await raw.db(name).dropDatabase();
    await raw.close();
    await server.stop();
  });

  const database = (): Db => {
    const name = newDatabase();
    made.push(name);
    return raw.db(name);
  };
  const open = (db: Db): Promise<ViewStore> =>
    openMongoViewStore({ url: server.url, database: db.databaseName });

  viewStoreContract('MongoDB', {
    lookedAtPerPage: 500,
    open: async () => {
      const options = { url: server.url, database: database().databaseName, lookedAtPerPage: 500 };
      return [await openMongoViewStore(options), await openMongoViewStore(options)];
    },
    removeEverything: async () => undefined,
  });

  it('has an index for every query, made once', async () => {
    const db = database();
    const stores = await Promise.all([open(db), open(db), open(db)]);
    await Promise.all(stores.map((store) => store.needsRebuild()));
    const indexes = await db.collection('run_views_2').indexes();
    expect(indexes.map(({ name }) => name).sort()).toEqual(
      ['_id_', 'views_in_status', ...Object.keys(PAGE_INDEXES)].sort(),
    );
    for (const { name, key } of indexes.filter((index) => index.name !== '_id_'))
      expect([name, Object.keys(key as object)]).toEqual([
        name,
        expect.arrayContaining(['run_id', 'tenant_id']),
      ]);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('keeps views, and that they were rebuilt, over a close', async () => {
    const db = database();
    const before = await open(db);
    expect(await before.needsRebuild()).toBe(true);
    await before.put(sampleView(1), 0);
    await before.markRebuilt();
    await before.close();
    const after = await open(db);
    expect(await after.get('acme', runId(1))).toEqual(sampleView(1));
    expect(await after.needsRebuild()).toBe(false);
    await after.close();
  });

  it('drops the views of an earlier version when its own are complete, not before', async () => {
    const db = database();
    await db.collection('run_views_1').insertOne({ old: true });
    const store = await open(db);
    expect(await store.needsRebuild()).toBe(true);
    expect(await db.collection('run_views_1').countDocuments()).toBe(1);
    await store.markRebuilt();
    const left = (await db.listCollections().toArray()).map(({ name }) => name).sort();
    expect(left).toEqual(['run_views_2', 'run_views_state']);
    await store.close();
  });

  it('keeps what people wrote as it is, whatever a database would take it for', async () => {
    const store = await open(database());
    let deep: object = {};
    for (let depth = 0; depth < 300; depth += 1) deep = { deep };
    const result = {
      $set: { 'a.b': 1 },
      '': [-0, 1e300, 9_007_199_254_740_991, '\u0000', 'é\ud83d\ude00'],
      'x.$[]': null,
      deep,
    };
    const labels = { $where: 'sleep(1)', 'a.b': '$ne', '=': '\u0000' };
    const view = sampleView(1, { result: JSON.parse(JSON.stringify(result)) as typeof view.result, labels });
    expect(await store.put(view, 0)).toBe(true);
    expect(JSON.stringify(await store.get('acme', runId(1)))).toBe(JSON.stringify(view));
    for (const [key, value] of Object.entries(labels))
      expect((await store.list({ tenant_id: 'acme', label: { key, value }, limit: 5 })).runs).toHaveLength(1);
    await store.close();
  });

  it('takes no value of a query for an operator', async () => {
    const store = await open(database());
    await store.put(sampleView(1), 0);
    // What a caller that checks nothing would hand on from `?user_id[$ne]=x`.
    const operator = JSON.parse('{"$ne":"x"}') as string;
    for (const query of [
      { user_id: operator },
      { agent_id: operator },
      { parent_run_id: operator },
      { root_run_id: operator },
      { label: { key: 'k', value: operator } },
    ]) {
      const answer = await store.list({ tenant_id: 'acme', limit: 5, ...query });
      expect([query, answer.runs]).toEqual([query, []]);
    }
    expect((await store.list({ tenant_id: operator, limit: 5 })).runs).toEqual([]);
    expect(await store.get('acme', operator)).toBeUndefined();
    for (const q of ['.*', '^', '(a+)+$', '[', '\\', '\u0000', '(?i)hello'])
      expect([q, (await store.list({ tenant_id: 'acme', limit: 5, q })).runs]).toEqual([q, []]);
    await store.close();
  });

  it('when closed answers with a fault', async () => {
    const store = await open(database());
    await store.ping();
    await store.close();
    await store.close();
    await expect(store.get('acme', runId(1))).rejects.toMatchObject({
      kind: 'fault',
      code: 'views_unavailable',
    });
    await expect(store.put(sampleView(1), 0)).rejects.toBeInstanceOf(ViewsUnavailable);
  });
});

(own ? describe : describe.skip)('a server that fails', () => {
  let server: MongoServer;
  let store: ViewStore;

  beforeAll(async () => {
    server = await startMongoServer({ ...(own && { found: own }) });
    store = await openViewStore({ home: tmpdir(), mongodbUrl: `${server.url}runs` });
  }, 60_000);
  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  const works = (): Promise<boolean> =>
    waitFor(async () => store.ping().then(() => true), {
      describe: 'the store to answer',
      timeoutMs: 20_000,
    });

  it('killed is a fault within seconds, at once for those who come then, and keeps what it acknowledged', async () => {
    expect(await store.put(sampleView(1), 0)).toBe(true);
    await server.kill();
    await expect(store.get('acme', runId(1))).rejects.toBeInstanceOf(ViewsUnavailable);
    const begun = performance.now();
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => store.get('acme', runId(1))));
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
    expect(performance.now() - begun).toBeLessThan(1_000);
    await server.restart();
    await works();
    expect(await store.get('acme', runId(1))).toEqual(sampleView(1));
  }, 60_000);

  it('frozen is a fault within seconds, and is used again when it goes on', async () => {
    server.pause();
    const begun = performance.now();
    await expect(store.get('acme', runId(1))).rejects.toBeInstanceOf(ViewsUnavailable);
    expect(performance.now() - begun).toBeLessThan(6_000);
    server.resume();
    await works();
    expect(await store.put(sampleView(1, { seq: 9 }), 2)).toBe(true);
  }, 60_000);

  it('that is not there yet is no obstacle to opening', async () => {
    await server.kill();
    const early = await openMongoViewStore({ url: server.url });
    // Waits for as long as the driver does, until it has given up.
    await expect(early.put(sampleView(1), 0)).rejects.toBeInstanceOf(ViewsUnavailable);
    await expect(early.needsRebuild()).rejects.toBeInstanceOf(ViewsUnavailable);
    await server.restart();
    await waitFor(() => early.needsRebuild(), { describe: 'the store to answer', timeoutMs: 20_000 });
    await early.close();
    await works();
  }, 60_000);
});

describe('the index of a list', () => {
  it.each([
    [{}, {}, 'views_by_tenant', []],
    [{}, { user_id: 'a' }, 'views_by_user', []],
    [{ status: ['s', 't'] }, { user_id: 'a' }, 'views_by_user_status', []],
    [{ agent_id: 'x' }, { user_id: 'a' }, 'views_by_user_agent', []],
    [{ agent_id: 'x', status: ['s'] }, { user_id: 'a' }, 'views_by_user_agent', ['status']],
    [{}, { workspace_id: 'w' }, 'views_by_workspace', []],
    [{ status: ['s'] }, {}, 'views_by_status', []],
    [{ agent_id: 'x' }, {}, 'views_by_agent', []],
    [{ parent_run_id: 'p' }, { user_id: 'a' }, 'views_by_parent', ['user_id']],
    [{ root_run_id: 'r' }, {}, 'views_by_root', []],
    [{ label: { key: 'k', value: 'v' } }, {}, 'views_by_label', []],
    [{ q: 'x' }, { user_id: 'a' }, 'views_by_user', ['search_text']],
  ])('for %j of %j is %s', (filters, owner, hint, looked) => {
    const plan = planOf({ tenant_id: 'acme', limit: 10, ...filters }, owner);
    expect([plan.hint, Object.keys(plan.looked)]).toEqual([hint, looked]);
  });

  it('tells labels apart that look alike when they are joined', () => {
    expect(labelText('a', 'b","c')).not.toBe(labelText('a","b', 'c'));
  });
});

describe('a URL that is none', () => {
  it('is refused without a word of its password', async () => {
    const refused = openMongoViewStore({ url: 'mongodb://ann:secret@' });
    await expect(refused).rejects.toThrow('the URL of the view store is not valid');
    await expect(refused).rejects.not.toThrow('secret');
  });
});
