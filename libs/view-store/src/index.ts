export {
  InvalidCursor,
  ViewsUnavailable,
  type InStatusOptions,
  type ListQuery,
  type RunInStatus,
  type ViewStore,
} from './port.ts';
export { openSqliteViewStore } from './sqlite/sqlite-view-store.ts';
export { openMongoViewStore, type MongoViewStoreOptions } from './mongo/mongo-view-store.ts';
export { openViewStore, type ViewStoreSettings } from './open-view-store.ts';
