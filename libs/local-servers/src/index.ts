export { findBroker, type FindBrokerOptions, type FoundBroker } from './find-broker.ts';
export { atLeast, BROKER_FLOOR, BROKER_PINNED, brokerVersion } from './version.ts';
export { tieToThisProcess, type Watchdog } from './watchdog.ts';
