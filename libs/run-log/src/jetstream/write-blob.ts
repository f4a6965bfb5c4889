import { createHash, randomUUID } from 'node:crypto';
import { JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { blobInfoSubject, blobPartsSubject } from '@runledger/wire';

const STREAM = 'OBJ_blobs';
const PART_BYTES = 128 * 1024;
const PUBLISH = { timeout: 5_000, retries: 1 };
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);

/**
 * Stores bytes under `name` (`<tenant>.<run>.<sha256>`) as the object store keeps them, so that its readers read them.
 * The parts lie under the name itself: what a writer left behind that died, or lost to another, is found with its run
 * and erased with it. The library would give the parts a name of their own, and purge them, which leaves the bytes.
 */
export async function writeBlob(
  { js, jsm }: { js: JetStreamClient; jsm: JetStreamManager },
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const infoSubject = blobInfoSubject(name);
  if (await jsm.streams.getMessage(STREAM, { last_by_subj: infoSubject })) return;
  const nuid = `${name}.${randomUUID()}`;
  let chunks = 0;
  for (let from = 0; from < bytes.length; from += PART_BYTES, chunks += 1)
    await js.publish(blobPartsSubject(nuid), bytes.subarray(from, from + PART_BYTES), PUBLISH);
  const info = {
    name,
    bucket: 'blobs',
    nuid,
    size: bytes.length,
    chunks,
    digest: `SHA-256=${paddedBase64Url(createHash('sha256').update(bytes).digest())}`,
    deleted: false,
    mtime: new Date().toISOString(),
    options: { max_chunk_size: PART_BYTES },
  };
  try {
    await js.publish(infoSubject, JSON.stringify(info), { ...PUBLISH, expect: { lastSubjectSequence: 0 } });
  } catch (error) {
    // The same bytes are there already: another writer's, or our own whose confirmation was lost.
    if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return;
    throw error;
  }
}

const paddedBase64Url = (bytes: Buffer): string =>
  bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
