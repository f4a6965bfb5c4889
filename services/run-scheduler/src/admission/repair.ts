import { isEndType } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { ServiceContext } from '@runledger/service-host';
import type { Admission } from './admission.ts';

/**
 * At the scheduler's start: grants whose work message may be missing are repeated, and where the bucket was
 * never written, everything that is not over is admitted again from the log.
 */
export async function repairGrants(context: ServiceContext, admission: Admission): Promise<void> {
  const written = await wasWritten(context);
  await admission.repeatGrants();
  if (written) return;
  for (const address of await unfinishedRuns(context)) await admission.settle(address);
}

async function wasWritten({ broker }: ServiceContext): Promise<boolean> {
  const { state } = await (await broker.jsm()).streams.info('KV_admission');
  return state.last_seq > 0;
}

async function unfinishedRuns({ runLog }: ServiceContext): Promise<RunAddress[]> {
  const open = new Map<string, RunAddress>();
  for await (const { address, lines } of runLog.scan()) {
    if (lines.some((line) => isEndType(line.type))) open.delete(address.run_id);
    else open.set(address.run_id, address);
  }
  return [...open.values()];
}
