import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface HomeLock {
  release(): void;
}

/**
 * Takes a data folder for this process alone. The lock is the kernel's, held through an open SQLite file: it ends with
 * the process however that ends, so there is never a stale one to judge by a pid that may be somebody else's by now.
 * @throws Error naming the process that holds it.
 */
export function lockHome(home: string): HomeLock {
  const file = join(home, 'lock');
  const note = join(home, 'lock.pid');
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (!String(error).includes('locked')) throw error;
    throw new Error(`${home} is in use by another Runledger (process ${holder(note)})`, { cause: error });
  }
  writeFileSync(note, String(process.pid));
  return { release: () => lock.close() };
}

function holder(note: string): string {
  try {
    return readFileSync(note, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
