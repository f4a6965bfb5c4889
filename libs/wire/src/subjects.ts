import { assertId, Poison } from './ids.ts';

/** Every subject string of the system is built here, and nowhere else. */

export const ALL_RUNS = 'runs.*.*';
export const ALL_WORK = 'work.>';
export const ALL_DUE = 'due.>';

export const runSubject = (tenantId: string, runId: string): string =>
  `runs.${assertId('tenant_id', tenantId)}.${assertId('run_id', runId)}`;

export const liveSubject = (tenantId: string, runId: string): string =>
  `live.runs.${assertId('tenant_id', tenantId)}.${assertId('run_id', runId)}`;

export const workSubject = (pool: string, tenantId: string, runId: string): string =>
  `work.${assertId('token', pool)}.${assertId('tenant_id', tenantId)}.${assertId('run_id', runId)}`;

/** Every work message of one pool. */
export const poolWork = (pool: string): string => `work.${assertId('token', pool)}.*.*`;

export const timerSubject = (kind: string, tenantId: string, runId: string, timerId: string): string =>
  `timers.${timerTokens(kind, tenantId, runId, timerId)}`;

export const dueSubject = (kind: string, tenantId: string, runId: string, timerId: string): string =>
  `due.${timerTokens(kind, tenantId, runId, timerId)}`;

function timerTokens(kind: string, tenantId: string, runId: string, timerId: string): string {
  return [
    assertId('token', kind),
    assertId('tenant_id', tenantId),
    assertId('run_id', runId),
    assertId('token', timerId),
  ].join('.');
}

export const holderSubject = (executor: string): string => `holder.${assertId('token', executor)}`;

export const deadSubject = (service: string, durable: string): string =>
  `dead.${assertId('token', service)}.${assertId('token', durable)}`;

/** What happened to the keys of one user. */
export const auditSubject = (tenantId: string, userId: string): string =>
  `audit.${assertId('tenant_id', tenantId)}.${assertId('user_id', userId)}`;

/** The trail of one user, or of every user of the tenant. */
export const auditOf = (tenantId: string, userId?: string): string =>
  `audit.${assertId('tenant_id', tenantId)}.${oneOrAll(userId)}`;

const oneOrAll = (userId: string | undefined): string =>
  userId === undefined ? '*' : assertId('user_id', userId);

/** `runs.t.r` and `live.runs.t.r` alike. */
export function parseRunSubject(subject: string): { tenant_id: string; run_id: string } {
  const tokens = subject.split('.');
  if (tokens[0] === 'live') tokens.shift();
  if (tokens.length !== 3 || tokens[0] !== 'runs')
    throw new Poison('invalid_subject', `not a run's subject: ${subject}`);
  return { tenant_id: assertId('tenant_id', tokens[1]), run_id: assertId('run_id', tokens[2]) };
}

export function parseWorkSubject(subject: string): { pool: string; tenant_id: string; run_id: string } {
  const [work, pool, tenant, run, ...rest] = subject.split('.');
  if (work !== 'work' || rest.length > 0)
    throw new Poison('invalid_subject', `not a work subject: ${subject}`);
  return {
    pool: assertId('token', pool),
    tenant_id: assertId('tenant_id', tenant),
    run_id: assertId('run_id', run),
  };
}

/** Keys of the buckets are subject tokens too. */
export const admissionKey = (tenantId: string, runId: string): string =>
  `${assertId('tenant_id', tenantId)}.${assertId('run_id', runId)}`;
export const agentKey = (tenantId: string, agentId: string): string =>
  `${assertId('tenant_id', tenantId)}.${assertId('agent_id', agentId)}`;
export const hashKey = (sha256: string): string => assertId('token', sha256);

/** The subject under which a bucket stores a key, for writes that carry an expectation over several keys. */
export const bucketSubject = (bucket: string, key: string): string =>
  `$KV.${assertId('token', bucket)}.${key}`;

/** Key of a user's queue in bucket `queue`: run ids in the order in which they will be granted. */
export const queueKey = (tenantId: string, userId: string): string =>
  `${assertId('tenant_id', tenantId)}.${assertId('user_id', userId)}`;

/** `due.<kind>.<tenant>.<run>.<timer_id>` */
export function parseDueSubject(subject: string): {
  kind: string;
  tenant_id: string;
  run_id: string;
  timer_id: string;
} {
  const [due, kind, tenant, run, timer, ...rest] = subject.split('.');
  if (due !== 'due' || rest.length > 0) throw new Poison('invalid_subject', `not a fired timer: ${subject}`);
  return {
    kind: assertId('token', kind),
    tenant_id: assertId('tenant_id', tenant),
    run_id: assertId('run_id', run),
    timer_id: assertId('token', timer),
  };
}

/** Key in bucket `api-keys` under which the keys of one user are found. The record itself is under the key id. */
export const ownedKey = (tenantId: string, userId: string, keyId: string): string =>
  `owned.${assertId('tenant_id', tenantId)}.${assertId('user_id', userId)}.${assertId('token', keyId)}`;

/** Every such key of one user, or of every user of the tenant. */
export const ownedKeys = (tenantId: string, userId?: string): string =>
  `owned.${assertId('tenant_id', tenantId)}.${oneOrAll(userId)}.*`;

/** Every tombstone, and the subject of one run's. */
export const ALL_ERASED = '$KV.erased.>';
export const erasedSubject = (tenantId: string, runId: string): string =>
  bucketSubject('erased', admissionKey(tenantId, runId));

/** The run that a tombstone stands for. */
export function parseErasedSubject(subject: string): { tenant_id: string; run_id: string } {
  const [kv, bucket, tenant, run, ...rest] = subject.split('.');
  if (kv !== '$KV' || bucket !== 'erased' || rest.length > 0)
    throw new Poison('invalid_subject', `not a tombstone's subject: ${subject}`);
  return { tenant_id: assertId('tenant_id', tenant), run_id: assertId('run_id', run) };
}

/** Every dead letter. */
export const ALL_DEAD = 'dead.>';

/** Name of a value in object store `blobs`. */
export const blobName = (tenantId: string, runId: string, sha256: string): string =>
  `${admissionKey(tenantId, runId)}.${assertId('token', sha256)}`;

/** The object store's subject of what is known of a stored object, by its name. */
export const blobInfoSubject = (name: string): string =>
  `$O.blobs.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

/** The object store's subject of an object's parts. */
export const blobPartsSubject = (nuid: string): string => `$O.blobs.C.${nuid}`;

/** The parts of every value of a run: those of a value that was never completed too. */
export const runBlobParts = (tenantId: string, runId: string): string =>
  `$O.blobs.C.${admissionKey(tenantId, runId)}.>`;

/** Name of the value that a part on `runBlobParts` belongs to. */
export function parseBlobPart(subject: string): string {
  const [store, bucket, parts, tenant = '', run = '', sha256 = ''] = subject.split('.');
  if (store !== '$O' || bucket !== 'blobs' || parts !== 'C')
    throw new Poison('invalid_subject', `not a part of a run's value: ${subject}`);
  return blobName(tenant, run, sha256);
}
