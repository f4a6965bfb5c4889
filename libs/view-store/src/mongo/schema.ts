import { MongoServerError, type Collection, type Db } from 'mongodb';
import type { StoredView } from './stored-view.ts';

/**
 * Raised with every change of what is stored: views of another version lie in a collection of their own, so that old
 * and new processes can run side by side. They are dropped when those of this version are complete.
 */
export const SCHEMA_VERSION = 2;

const PREFIX = 'run_views_';
const VIEWS = `${PREFIX}${SCHEMA_VERSION}`;

/** Name → what is compared for equality. Each index goes on with the order of a page. */
export const PAGE_INDEXES = {
  views_by_label: ['labels'],
  views_by_parent: ['parent_run_id'],
  views_by_root: ['root_run_id'],
  views_by_user_agent: ['user_id', 'agent_id'],
  views_by_user_status: ['user_id', 'status'],
  views_by_workspace: ['workspace_id'],
  views_by_user: ['user_id'],
  views_by_agent: ['agent_id'],
  views_by_status: ['status'],
  views_by_tenant: [],
} as const;

/** For sweeps, which look through every tenant. */
export const IN_STATUS_INDEX = 'views_in_status';

interface StoreState {
  _id: string;
  needs_rebuild: boolean;
}

export interface ViewCollections {
  views: Collection<StoredView>;
  state: Collection<StoreState>;
}

export const collectionsOf = (db: Db): ViewCollections => ({
  views: db.collection<StoredView>(VIEWS),
  state: db.collection<StoreState>('run_views_state'),
});

/** Makes what is not there yet. May be called by many at once. */
export async function prepareSchema({ views, state }: ViewCollections): Promise<void> {
  await state
    .updateOne({ _id: VIEWS }, { $setOnInsert: { needs_rebuild: true } }, { upsert: true })
    .catch((error: unknown) => {
      if (!isDuplicate(error)) throw error;
    });
  const pages = Object.entries(PAGE_INDEXES).map(([name, columns]) => ({
    name,
    key: Object.fromEntries(['tenant_id', ...columns, 'run_id'].map((column) => [column, 1])),
  }));
  const sweeps = { status: 1, run_id: 1, last_event_at: 1, tenant_id: 1, seq: 1 } as const;
  await views.createIndexes([...pages, { name: IN_STATUS_INDEX, key: sweeps }]);
}

export async function needsRebuild({ state }: ViewCollections): Promise<boolean> {
  return (await state.findOne({ _id: VIEWS }))?.needs_rebuild !== false;
}

export async function setNeedsRebuild({ state }: ViewCollections, needed: boolean): Promise<void> {
  await state.updateOne({ _id: VIEWS }, { $set: { needs_rebuild: needed } }, { upsert: true });
}

/** Drops the views of earlier versions. */
export async function dropEarlier(db: Db, { state }: ViewCollections): Promise<void> {
  for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
    const version = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : Number.NaN;
    if (!(version < SCHEMA_VERSION)) continue;
    await db.collection(name).drop();
    await state.deleteOne({ _id: name });
  }
}

export const isDuplicate = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === 11_000;
