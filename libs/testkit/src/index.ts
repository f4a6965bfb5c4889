export { startBroker, type TestBroker, type TestBrokerOptions } from './broker.ts';
export { startCluster, type TestCluster } from './cluster.ts';
export { freePort } from './free-port.ts';
export { journal, Journal, type JournalFindings } from './journal.ts';
export {
  mongoForTests,
  type MongoServer,
  type MongoServerOptions,
  startMongoServer,
} from './mongo-server.ts';
export { temporaryFolder, type TemporaryFolder } from './temporary-folder.ts';
export { waitFor, type WaitForOptions } from './wait-for.ts';
