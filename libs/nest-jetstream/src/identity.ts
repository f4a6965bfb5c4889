import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';

/** Who a service is at the broker. */
export interface Identity {
  name: string;
  /** `U...`: what the broker knows it by. */
  publicKey: string;
  /** Path of the file with the seed, which proves it. */
  seedFile: string;
}

/**
 * The identity whose seed is in `<folder>/<name>.nk`, made when there is none; two who make it at once get the same.
 * The file is readable by its owner alone. Throws when the file is there and is not a user's seed.
 */
export async function makeIdentity(folder: string, name: string): Promise<Identity> {
  const seedFile = join(folder, `${name}.nk`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = Buffer.from(nkeys.createUser().getSeed()).toString();
  try {
    await writeFile(seedFile, `${made}\n`, { mode: 0o600, flag: 'wx' });
    return { name, publicKey: publicKeyOf(made, seedFile), seedFile };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return { name, publicKey: publicKeyOf((await readFile(seedFile, 'utf8')).trim(), seedFile), seedFile };
}

function publicKeyOf(seed: string, seedFile: string): string {
  try {
    const publicKey = nkeys.fromSeed(Buffer.from(seed)).getPublicKey();
    if (publicKey.startsWith('U')) return publicKey;
  } catch (cause) {
    throw new Error(`${seedFile} is not the seed of a user (SU...)`, { cause });
  }
  throw new Error(`${seedFile} is not the seed of a user (SU...)`);
}
