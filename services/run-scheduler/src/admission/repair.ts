import { isEndType } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { ServiceContext } from '@runledger/service-host';
import type { Admission } from './admission.ts';

/**
 * At the scheduler's start: grants whose work message may be missing are repeated, and where the bucket was
 * never written, everything that is not over is admitted again from the log.
 */
export async function repairGrants(context: ServiceContext, admission: Admission): Promise<void> {
  const { tenants, written } = await ledgerState(context);
  for (const tenantId of tenants) await admission.repeatGrants(tenantId);
  if (written) return;
  for (const address of await unfinishedRuns(context)) await admission.settle(address);
}

async function ledgerState({ broker }: ServiceContext): Promise<{ tenants: Set<string>; written: boolean }> {
  const jsm = await broker.jsm();
  const { state } = await jsm.streams.info('KV_admission', { subjects_filter: '>' });
  const subjects = Object.keys(state.subjects ?? {});
  return {
    tenants: new Set(subjects.map((subject) => subject.split('.')[2] ?? '')),
    written: state.last_seq > 0,
  };
}

async function unfinishedRuns({ runLog }: ServiceContext): Promise<RunAddress[]> {
  const open = new Map<string, RunAddress>();
  for await (const { address, lines } of runLog.scan()) {
    if (lines.some((line) => isEndType(line.type))) open.delete(address.run_id);
    else open.set(address.run_id, address);
  }
  return [...open.values()];
}
