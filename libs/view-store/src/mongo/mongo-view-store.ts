import type { RunSummary, RunView } from '@runledger/run-views';
import { MongoClient, type Abortable, type MongoClientOptions } from 'mongodb';
import type { InStatusOptions, ListQuery, RunInStatus, ViewStore } from '../port.ts';
import { Availability } from './availability.ts';
import { listRuns } from './list-runs.ts';
import {
  collectionsOf,
  dropEarlier,
  IN_STATUS_INDEX,
  needsRebuild,
  prepareSchema,
  setNeedsRebuild,
  type ViewCollections,
} from './schema.ts';
import { viewId } from './stored-view.ts';
import { replaceView, writeViews } from './write-views.ts';

const DEFAULT_DATABASE = 'runledger';
/** Milliseconds that a look at one document may take. */
const LOOK_MS = 2_000;
/** Milliseconds that a page of a list may take. */
const PAGE_MS = 10_000;

const OPTIONS: MongoClientOptions = {
  appName: 'runledger',
  serverSelectionTimeoutMS: 3_000,
  connectTimeoutMS: 3_000,
  heartbeatFrequencyMS: 2_000,
  // Longer than anything that is awaited: what takes longer than this is no longer waited for by anybody.
  socketTimeoutMS: 20_000,
  waitQueueTimeoutMS: 10_000,
  maxPoolSize: 32,
  // A view that was acknowledged is still there after a change of the primary, and after a crash of a lone server.
  writeConcern: { w: 'majority', journal: true, wtimeoutMS: 15_000 },
  ignoreUndefined: true,
};

export interface MongoViewStoreOptions {
  url: string;
  /** Default: that of the URL, else `runledger`. */
  database?: string;
  /** Runs that one page looks at when it searches; default 5,000. */
  lookedAtPerPage?: number;
}

/**
 * Views in MongoDB 4.2 or newer. Opens without a look at the server: the first use connects and makes the indexes, and so does the next one when that has failed.
 * @throws Error when the URL is not valid.
 */
export async function openMongoViewStore(options: MongoViewStoreOptions): Promise<ViewStore> {
  const client = clientOf(options.url);
  if (typeof client === 'string') throw new Error(`the URL of the view store is not valid: ${client}`);
  return new MongoViewStore(client, { database: databaseOf(client), lookedAtPerPage: 5_000, ...options });
}

/** Or what is wrong with the URL: the driver's error repeats it whole, with its password. */
function clientOf(url: string): MongoClient | string {
  try {
    return new MongoClient(url, OPTIONS);
  } catch (error) {
    return String(error).replaceAll(/\/\/\S*@/g, '//***@');
  }
}

/** `test` is what the driver says when the URL names none. */
const databaseOf = ({ options }: MongoClient): string =>
  options.dbName === 'test' ? DEFAULT_DATABASE : options.dbName;

class MongoViewStore implements ViewStore {
  readonly #client: MongoClient;
  readonly #collections: ViewCollections;
  readonly #availability = new Availability();
  #prepared: Promise<void> | undefined;

  constructor(
    client: MongoClient,
    private readonly options: Required<MongoViewStoreOptions>,
  ) {
    this.#client = client;
    this.#collections = collectionsOf(client.db(options.database));
  }

  async get(tenantId: string, runId: string): Promise<RunView | undefined> {
    return this.#use(LOOK_MS, async ({ views }, abortable) => {
      const found = await views.findOne<{ document: string }>(
        { _id: viewId(tenantId, runId) },
        { ...abortable, projection: { _id: 0, document: 1 } },
      );
      return found ? (JSON.parse(found.document) as RunView) : undefined;
    });
  }

  async put(view: RunView, expectedSeq: number): Promise<boolean> {
    const [written] = await this.putMany([{ view, expectedSeq }]);
    return written === true;
  }

  async putMany(writes: readonly { view: RunView; expectedSeq: number }[]): Promise<boolean[]> {
    if (writes.length === 0) return [];
    return this.#use(0, ({ views }) => writeViews(views, writes));
  }

  async replace(view: RunView, stored: RunView): Promise<boolean> {
    return this.#use(0, ({ views }) => replaceView(views, view, stored));
  }

  async list(query: ListQuery): Promise<{ runs: RunSummary[]; next_cursor: string | null }> {
    const { lookedAtPerPage } = this.options;
    return this.#use(PAGE_MS, ({ views }, abortable) =>
      listRuns(views, query, { ...abortable, lookedAtPerPage }),
    );
  }

  async inStatus(
    statuses: readonly string[],
    limit: number,
    options: InStatusOptions = {},
  ): Promise<RunInStatus[]> {
    const { after_run_id: after, idle_since: idleSince } = options;
    return this.#use(PAGE_MS, ({ views }, abortable) =>
      views
        .find<RunInStatus>(
          {
            status: { $in: [...new Set(statuses)] },
            ...(after !== undefined && { run_id: { $gt: after } }),
            ...(idleSince !== undefined && { last_event_at: { $lt: idleSince } }),
          },
          {
            ...abortable,
            hint: IN_STATUS_INDEX,
            sort: { run_id: 1 },
            limit,
            projection: {
              _id: 0,
              tenant_id: 1,
              run_id: 1,
              seq: 1,
              status: 1,
              last_event_at: 1,
              parent_run_id: 1,
            },
          },
        )
        .toArray(),
    );
  }

  async remove(tenantId: string, runId: string): Promise<void> {
    await this.#use(0, ({ views }) => views.deleteOne({ _id: viewId(tenantId, runId) }));
  }

  async clear(): Promise<void> {
    await this.#use(0, async (collections) => {
      // In this order: whoever is cut off in between leaves a store that knows that it needs a rebuild.
      await setNeedsRebuild(collections, true);
      await collections.views.deleteMany({});
    });
  }

  async needsRebuild(): Promise<boolean> {
    return this.#use(LOOK_MS, (collections) => needsRebuild(collections));
  }

  async markRebuilt(): Promise<void> {
    await this.#use(0, async (collections) => {
      await setNeedsRebuild(collections, false);
      await dropEarlier(this.#client.db(this.options.database), collections);
    });
  }

  async ping(): Promise<void> {
    await this.#use(LOOK_MS, (_, abortable) =>
      this.#client.db(this.options.database).command({ ping: 1 }, abortable),
    );
  }

  async close(): Promise<void> {
    this.#availability.close();
    await this.#client.close();
  }

  /** `withinMs` 0: as long as the options of the client allow; writes cannot be called back. */
  #use<T>(
    withinMs: number,
    work: (collections: ViewCollections, abortable: Abortable) => Promise<T>,
  ): Promise<T> {
    return this.#availability.guard(async () => {
      if (withinMs === 0) {
        await this.#prepare();
        return work(this.#collections, {});
      }
      const signal = AbortSignal.timeout(withinMs);
      await untilAborted(this.#prepare(), signal);
      return work(this.#collections, { signal });
    });
  }

  async #prepare(): Promise<void> {
    // A first connection that failed leaves the client closed, unless it is told to connect again.
    this.#prepared ??= this.#client.connect().then(() => prepareSchema(this.#collections));
    try {
      await this.#prepared;
    } catch (error) {
      this.#prepared = undefined;
      throw error;
    }
  }
}

/** What the promise brings, unless the signal is aborted before. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
