export { bootstrap, type BootstrapOptions } from './bootstrap.ts';
export {
  BROKER_FLOOR,
  type BrokerEvent,
  type BrokerOptions,
  BrokerUnusable,
  connectBroker,
} from './broker.ts';
export { authorizationConf, type Grant, inboxPrefix, type Permissions } from './authorization.ts';
export type { BrokerSecurity } from './broker-security.ts';
export { ConnectionWatch } from './connection-watch.ts';
export { DURABLE_TRANSPORT, DurableConsumer } from './durable-consumer.decorator.ts';
export { DuplicateHandler, JetStreamStrategy, type StrategyOptions } from './jetstream.strategy.ts';
export type { BucketLayout, Layout, ObjectStoreLayout, StreamLayout } from './layout.ts';
export { PassThroughFilter } from './pass-through.filter.ts';
export {
  KEEP,
  type Broker,
  type ConsumerDefinition,
  type ConsumerLogger,
  type ConsumerObserver,
  type ConsumerOverrides,
  type ConsumerPhase,
  type ConsumerState,
  type DeadLetter,
  type Delivery,
  type Handled,
  type Settlement,
  type StoredMessage,
} from './port.ts';
export { type Identity, makeIdentity } from './identity.ts';
export { streamExists } from './stream-exists.ts';
