import { createHash } from 'node:crypto';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ObjectInfo } from '@nats-io/obj';
import { directPage } from './direct-page.ts';

const STREAM = 'OBJ_blobs';
const chunksOf = (nuid: string): string => `$O.blobs.C.${nuid}`;

/**
 * The bytes of a stored object. Read with direct gets: the library would make a consumer, and who may make a consumer of
 * any name may have it deliver to any subject. What a replica does not have yet is read from the leader.
 * @throws Error when a part is missing or the digest is another.
 */
export async function readBlob(
  nc: NatsConnection,
  jsm: JetStreamManager,
  info: ObjectInfo,
  timeoutMs: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const filter = chunksOf(info.nuid);
  let next = 1;
  while (chunks.length < info.chunks) {
    const query = { seq: next, next_by_subj: filter };
    const page = await directPage(nc, STREAM, query, timeoutMs);
    for (const { data, seq } of page) {
      chunks.push(data);
      next = seq + 1;
    }
    if (page.length > 0) continue;
    const message = await jsm.streams.getMessage(STREAM, query);
    if (!message) throw new Error(`part ${chunks.length + 1} of ${info.chunks} is missing`);
    chunks.push(message.data);
    next = message.seq + 1;
  }
  const bytes = Buffer.concat(chunks);
  const [, digest = ''] = /^SHA-256=(.+)$/.exec(info.digest) ?? [];
  if (!createHash('sha256').update(bytes).digest().equals(Buffer.from(digest, 'base64url')))
    throw new Error('the digest is another');
  return bytes;
}
