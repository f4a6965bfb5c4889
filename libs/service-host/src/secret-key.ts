import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEY_BYTES = 32;

/** 32 bytes written as hex or base64 (also base64url), or undefined. */
export function decodeSecretKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === KEY_BYTES ? bytes : undefined;
}

/**
 * The key in `home/secret-key` (mode 0600), made if it is not there. Processes that start at once agree: the file
 * appears whole, by a link that only one of them can make.
 */
export function localSecretKey(home: string): Buffer {
  const path = join(home, 'secret-key');
  return readKey(path) ?? makeKey(home, path);
}

function readKey(path: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const key = decodeSecretKey(text);
  if (!key)
    throw new Error(
      `${path} does not hold 32 bytes as hex or base64: restore it, or remove it and lose what it encrypts`,
    );
  return key;
}

function makeKey(home: string, path: string): Buffer {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const mine = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(mine, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(mine, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(mine, { force: true });
  }
  const key = readKey(path);
  if (!key) throw new Error(`${path} vanished while it was made`);
  return key;
}
