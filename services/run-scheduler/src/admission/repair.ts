import { isEndType } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { ServiceContext } from '@runledger/service-host';
import type { Admission } from './admission.ts';

/**
 * At the scheduler's start: grants whose work message may be missing are repeated, and where the bucket is empty
 * everything that is not over is admitted again from the log.
 */
export async function repairGrants(context: ServiceContext, admission: Admission): Promise<void> {
  const tenants = await tenantsInLedger(context);
  for (const tenantId of tenants) await admission.repeatGrants(tenantId);
  if (tenants.size > 0) return;
  for (const address of await unfinishedRuns(context)) await admission.settle(address);
}

async function tenantsInLedger({ broker }: ServiceContext): Promise<Set<string>> {
  const jsm = await broker.jsm();
  const info = await jsm.streams.info('KV_admission', { subjects_filter: '>' });
  return new Set(Object.keys(info.state.subjects ?? {}).map((subject) => subject.split('.')[2] ?? ''));
}

async function unfinishedRuns({ runLog }: ServiceContext): Promise<RunAddress[]> {
  const open = new Map<string, RunAddress>();
  for await (const { address, lines } of runLog.scan()) {
    if (lines.some((line) => isEndType(line.type))) open.delete(address.run_id);
    else open.set(address.run_id, address);
  }
  return [...open.values()];
}
