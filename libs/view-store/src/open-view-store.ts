import { join } from 'node:path';
import type { ViewStore } from './port.ts';
import { openSqliteViewStore } from './sqlite/sqlite-view-store.ts';

export interface ViewStoreSettings {
  /** The data folder; SQLite keeps `views.sqlite` in it. */
  home: string;
  mongodbUrl?: string | undefined;
}

/** The store that the settings ask for. */
export async function openViewStore(settings: ViewStoreSettings): Promise<ViewStore> {
  if (settings.mongodbUrl !== undefined)
    throw new Error(
      'MongoDB views are not available in this version: unset RUNLEDGER_MONGODB_URL to use SQLite',
    );
  return openSqliteViewStore({ file: join(settings.home, 'views.sqlite') });
}
