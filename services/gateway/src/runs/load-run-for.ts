import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { decodeEvent, isId } from '@runledger/wire';
import { allows, type Principal } from '../auth/principal.ts';
import { Problem } from '../problem/problem.ts';

/** A run that the caller may use for the purpose it was loaded for. */
export interface AccessibleRun {
  address: RunAddress;
  user_id: string;
  workspace_id: string | undefined;
}

export type Purpose = 'read' | 'control';

/** The only way to a run. The tenant is the credential's, so that another tenant's run does not exist for it. */
@Injectable()
export class RunAccess {
  readonly #runLog: RunLog;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext) {
    this.#runLog = context.runLog;
  }

  /** Throws `run_not_found`, `forbidden`, or LogUnavailable. Reads up to the leader's last message. */
  async loadRunFor(principal: Principal, runId: string, purpose: Purpose): Promise<AccessibleRun> {
    if (!isId('run_id', runId)) throw notFound(runId);
    const address = { tenant_id: principal.tenant_id, run_id: runId };
    const { lines } = await this.#runLog.page(address, 0, 1);
    const first = lines[0];
    if (!first) throw notFound(runId);
    const run = { address, ...ownerOf(first.line) };
    if (!mayUse(principal, run, purpose)) throw new Problem('forbidden', "This run is another user's.");
    return run;
  }
}

function mayUse(
  principal: Principal,
  run: { user_id: string; workspace_id: string | undefined },
  purpose: Purpose,
): boolean {
  if (run.user_id === principal.user_id || principal.scopes.has('admin')) return true;
  if (purpose === 'control') return false;
  const inWorkspace = run.workspace_id !== undefined && principal.workspace_ids.includes(run.workspace_id);
  return inWorkspace || allows(principal, 'runs:read:all');
}

function ownerOf(line: string): { user_id: string; workspace_id: string | undefined } {
  const data = decodeEvent(line).data as { user_id?: unknown; workspace_id?: unknown };
  return {
    user_id: typeof data.user_id === 'string' ? data.user_id : '',
    workspace_id: typeof data.workspace_id === 'string' ? data.workspace_id : undefined,
  };
}

const notFound = (runId: string): Problem =>
  new Problem('run_not_found', `There is no run ${runId.slice(0, 40)}.`);
