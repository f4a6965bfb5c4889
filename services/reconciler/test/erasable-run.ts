import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import type { RunAddress } from '@runledger/run-log';
import { admissionKey, bucketSubject, deadSubject, runSubject, type Tombstone } from '@runledger/wire';
import type { Cell } from './reconciler-service.ts';
import { begin, newAddress, progress, startCommand, succeed } from './sample-runs.ts';

export interface ErasableRun {
  address: RunAddress;
  /** Is in everything that is kept of the run. */
  canary: string;
  /** SHA-256 of a value over 64 KiB. */
  blob: string;
  idempotencyKey: string;
}

/** An ended run that has left its canary everywhere: commits, a large value, env, its start's record, a dead letter. */
export async function erasableRun(cell: Cell, tenantId: string, ended = true): Promise<ErasableRun> {
  const address = newAddress(tenantId);
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  const { blob, bytes } = await cell.log.putBlob(address, JSON.stringify(`${canary} `.repeat(12_000)));
  const idempotencyKey = createHash('sha256').update(canary).digest('hex');
  const start = cell.log.prepareStart(
    startCommand(address, {
      input: { canary },
      labels: { mark: canary },
      idempotency_key_sha256: idempotencyKey,
    }),
    address,
  );
  const publish = (subject: string, value: unknown) =>
    cell.broker.js.publish(subject, typeof value === 'string' ? value : JSON.stringify(value));
  await publish(bucketSubject('idempotency', idempotencyKey), {
    run_id: address.run_id,
    body_sha256: '',
    start,
  });
  await publish(bucketSubject('run-env', admissionKey(tenantId, address.run_id)), canary);
  await publish(deadSubject('notifier', 'letters'), {
    subject: runSubject(tenantId, address.run_id),
    payload: canary,
  });
  await cell.log.completeStart(start);
  await cell.log.execute(address, () => begin());
  for (let index = 1; index <= 5; index += 1)
    await cell.log.execute(address, (run) =>
      progress(run, {
        type: 'log.written',
        data: { index, level: 'info', source: 'agent', message: `${canary} ${blob} ${bytes}` },
      }),
    );
  if (ended) await cell.log.execute(address, (run) => succeed(run, { canary }));
  return { address, canary, blob, idempotencyKey };
}

export const tombstoneOf = (run: ErasableRun, change: Partial<Tombstone> = {}): Tombstone => ({
  erased_by: 'ada',
  reason: 'requested',
  requested_at: new Date().toISOString(),
  user_id: 'ada',
  workspace_id: null,
  agent_id: 'ticker',
  idempotency_key_sha256: run.idempotencyKey,
  done_at: null,
  confirmed_at: null,
  ...change,
});

/** Files below the folders that hold these bytes. */
export async function filesWith(text: string, ...folders: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders)
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const bytes = entry.isFile() ? await readFile(path).catch(() => undefined) : undefined;
      if (bytes?.includes(text)) found.push(path);
    }
  return found;
}
