import { join } from 'node:path';
import { openMongoViewStore } from './mongo/mongo-view-store.ts';
import type { ViewStore } from './port.ts';
import { openSqliteViewStore } from './sqlite/sqlite-view-store.ts';

export interface ViewStoreSettings {
  /** The data folder; SQLite keeps `views.sqlite` in it. */
  home: string;
  /** Given: MongoDB, and no file. */
  mongodbUrl?: string | undefined;
}

/** The store that the settings ask for. */
export async function openViewStore(settings: ViewStoreSettings): Promise<ViewStore> {
  if (settings.mongodbUrl !== undefined) return openMongoViewStore({ url: settings.mongodbUrl });
  return openSqliteViewStore({ file: join(settings.home, 'views.sqlite') });
}
