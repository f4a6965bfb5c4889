import { link, open, rename, rm, stat } from 'node:fs/promises';
import { UsageError } from './usage-error.ts';

/** Writes a file that is there whole or not at all. Without `force` a file that is there already is left alone. */
export async function saveFile(
  path: string,
  { force }: { force: boolean },
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw new UsageError(`${path} is a folder`);
  if (there && !force) throw alreadyThere(path);
  const partial = `${path}.${process.pid}.partial`;
  try {
    await write(partial, chunks);
    if (force) await rename(partial, path);
    else
      await link(partial, path).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? alreadyThere(path) : error;
      });
  } finally {
    await rm(partial, { force: true });
  }
}

async function write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`cannot write ${path}: ${error.message}`);
  });
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

const alreadyThere = (path: string): UsageError =>
  new UsageError(`${path} is there already: --force replaces it`);
