/** Structurally the layout that is generated from proto/subjects.yaml. Sizes in bytes, ages in seconds, 0: unlimited. */
export interface Layout {
  /** A process never changes a stream that a newer version has set. */
  version: number;
  streams: readonly StreamLayout[];
  buckets: readonly BucketLayout[];
  object_stores: readonly ObjectStoreLayout[];
}

export interface StreamLayout {
  name: string;
  description: string;
  subjects: readonly string[];
  retention: 'limits' | 'workqueue';
  discard: 'new' | 'old';
  /** Reserved on the server's store when the stream is made. */
  max_bytes: number;
  max_msg_size: number;
  max_msgs_per_subject: number;
  discard_new_per_subject: boolean;
  max_consumers: number;
  max_age_s: number;
  allow_direct: boolean;
  allow_msg_schedules: boolean;
  deny_delete: boolean;
  deny_purge: boolean;
  republish: { src: string; dest: string } | null;
}

export interface BucketLayout {
  bucket: string;
  description: string;
  /** Revisions kept per key, 64 at most. */
  history: number;
  max_value_size: number;
  /** A value that is not written again within this is gone. */
  max_age_s?: number;
  /** Whether a single value may say how long it lives. Can be allowed later, but not taken back. */
  allow_msg_ttl?: boolean;
}

export interface ObjectStoreLayout {
  store: string;
  description: string;
}
