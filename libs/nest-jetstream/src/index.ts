export { bootstrap, type BootstrapOptions } from './bootstrap.ts';
export type { BucketLayout, Layout, ObjectStoreLayout, StreamLayout } from './layout.ts';
export {
  KEEP,
  type Broker,
  type ConsumerDefinition,
  type ConsumerOverrides,
  type Delivery,
  type Handled,
  type StoredMessage,
} from './port.ts';
