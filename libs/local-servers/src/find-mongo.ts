import type { FindBrokerOptions } from './find-broker.ts';
import { cachedMongo } from './mongo-cached.ts';
import { ferretdb } from './mongo-ferretdb.ts';
import { mongodOnPath } from './mongo-on-path.ts';
import { mongodRelease } from './mongo-release.ts';
import type { MongoChoice, MongoStep } from './mongo-step.ts';
import { oneLine } from './run-command.ts';

export interface FindMongoOptions extends Pick<FindBrokerOptions, 'cacheDir' | 'log' | 'env' | 'patienceMs'> {
  /** Default: `MONGO_STEPS`. Without its first, a server is found that the caller may start and kill. */
  steps?: readonly MongoStep[];
}

export type FoundMongo = MongoChoice & {
  /** What was done to find it, for people. */
  how: string;
};

/** A server that is named by its URL. */
export const namedMongo: MongoStep = {
  does: 'looking for a server named by RUNLEDGER_MONGODB_URL',
  async find({ env }) {
    const url = env['RUNLEDGER_MONGODB_URL'];
    if (url === undefined || url === '') throw new Error('RUNLEDGER_MONGODB_URL is not set');
    return { url };
  },
};

/** The steps that end with a program of this machine. */
export const MONGO_PROGRAM_STEPS: readonly MongoStep[] = [
  mongodOnPath,
  cachedMongo,
  mongodRelease(),
  ferretdb,
];
export const MONGO_STEPS: readonly MongoStep[] = [namedMongo, ...MONGO_PROGRAM_STEPS];

/**
 * A MongoDB server for tests: the first step that fits. Fetched and built programs are kept in the cache; callers that
 * come at once wait for the one that fetches.
 * @throws Error that lists every step with the reason why it does not fit.
 */
export async function findMongo(options: FindMongoOptions): Promise<FoundMongo> {
  const { cacheDir, log, env = process.env, steps = MONGO_STEPS, patienceMs = 5000 } = options;
  const reasons: string[] = [];
  for (const step of steps) {
    const before = reasons.at(-1);
    log(`MongoDB server: ${step.does}${before === undefined ? '' : ` (before: ${before})`}`);
    try {
      return { ...(await step.find({ env, cacheDir, log, patienceMs })), how: step.does };
    } catch (error) {
      reasons.push(oneLine(error));
    }
  }
  const list = steps.map((step, place) => `  ${place + 1}. ${step.does}: ${reasons[place]}`);
  throw new Error(
    `no MongoDB server for tests could be found, fetched or built:\n${list.join('\n')}\n` +
      'Put a mongod on PATH, or point RUNLEDGER_MONGODB_URL to a running server.',
  );
}
