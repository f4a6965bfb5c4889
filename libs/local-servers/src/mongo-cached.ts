import { ferretdbAt, ferretdbShelf } from './mongo-ferretdb.ts';
import { mongodAt, mongodShelf } from './mongo-release.ts';
import { onShelfIn } from './mongo-shelf.ts';
import type { MongoStep } from './mongo-step.ts';
import { oneLine } from './run-command.ts';

/** What an earlier search has fetched or built, and still runs. */
export const cachedMongo: MongoStep = {
  does: 'looking for a server that was fetched or built before',
  async find({ cacheDir }) {
    const mongod = mongodAt(onShelfIn(mongodShelf(cacheDir)));
    const ferretdb = ferretdbAt(onShelfIn(ferretdbShelf(cacheDir)));
    const [first, second] = await Promise.allSettled([mongod, ferretdb]);
    if (first.status === 'fulfilled') return { binary: first.value };
    if (second.status === 'fulfilled') return { binary: second.value };
    throw new Error(`${oneLine(first.reason)}, ${oneLine(second.reason)}`);
  },
};
