export type { BrokerStep, Search } from './broker-step.ts';
export { cacheFolder } from './cache-folder.ts';
export {
  findMongo,
  type FindMongoOptions,
  type FoundMongo,
  MONGO_PROGRAM_STEPS,
  MONGO_STEPS,
} from './find-mongo.ts';
export { BROKER_STEPS, findBroker, type FindBrokerOptions, type FoundBroker } from './find-broker.ts';
export {
  type BrokerEnd,
  type LocalBroker,
  type LocalBrokerOptions,
  startLocalBroker,
} from './local-broker.ts';
export type { MongoBinary, MongoStep } from './mongo-step.ts';
export { type RunningMongo, startMongo, type StartMongoOptions } from './start-mongo.ts';
export { atLeast, BROKER_FLOOR, BROKER_PINNED, brokerVersion } from './version.ts';
export { tieToThisProcess, type Watchdog } from './watchdog.ts';
