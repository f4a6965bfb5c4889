import { Inject, Injectable } from '@nestjs/common';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { admissionKey, decodeEvent, isId, type Tombstone } from '@runledger/wire';
import { allows, type Principal } from '../auth/principal.ts';
import { Problem } from '../problem/problem.ts';
import { Tombstones } from './erase/tombstones.ts';

/** A run that the caller may use for the purpose it was loaded for. */
export interface AccessibleRun {
  address: RunAddress;
  user_id: string;
  workspace_id: string | undefined;
  agent_id: string;
}

export type Purpose = 'read' | 'control';

const REMEMBERED_OWNERS = 20_000;

type Owner = Pick<AccessibleRun, 'user_id' | 'workspace_id' | 'agent_id'>;

/** The only way to a run. The tenant is the credential's, so that another tenant's run does not exist for it. */
@Injectable()
export class RunAccess {
  readonly #runLog: RunLog;
  /** Whose a run is never changes while it exists, and its first event may be far back. */
  readonly #owners = new Map<string, Owner>();

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(Tombstones) private readonly tombstones: Tombstones,
  ) {
    this.#runLog = context.runLog;
  }

  /** Throws `run_not_found`, `forbidden`, `run_erased`, or LogUnavailable. */
  async loadRunFor(principal: Principal, runId: string, purpose: Purpose): Promise<AccessibleRun> {
    const { tombstone, ...run } = await this.findRunFor(principal, runId, purpose);
    if (tombstone) throw new RunErased(runId);
    return run;
  }

  /** Also a run that was erased, by the same rules as before. Throws `run_not_found`, `forbidden`, or LogUnavailable. */
  async findRunFor(
    principal: Principal,
    runId: string,
    purpose: Purpose,
  ): Promise<AccessibleRun & { tombstone: Tombstone | undefined }> {
    if (!isId('run_id', runId)) throw notFound(runId);
    const address = { tenant_id: principal.tenant_id, run_id: runId };
    const { owner, tombstone } = await this.#whose(address);
    if (!owner) throw notFound(runId);
    if (!mayUse(principal, owner, purpose)) throw new Problem('forbidden', "This run is another user's.");
    if (principal.agent_id !== undefined && principal.agent_id !== owner.agent_id)
      throw new Problem('forbidden', `This credential may use runs of the agent ${principal.agent_id} only.`);
    return { address, ...owner, tombstone };
  }

  /** Both are asked for at once; without an owner the tombstone may have been written in between. */
  async #whose(address: RunAddress): Promise<{ owner: Owner | undefined; tombstone: Tombstone | undefined }> {
    const [owner, found] = await Promise.all([
      this.#ownerOf(address).catch(undefinedIfErased),
      this.tombstones.find(address),
    ]);
    const tombstone = found ?? (owner ? undefined : await this.tombstones.find(address));
    if (!tombstone) return { owner, tombstone };
    const { user_id, workspace_id, agent_id } = tombstone;
    return { owner: { user_id, workspace_id: workspace_id ?? undefined, agent_id }, tombstone };
  }

  async #ownerOf(address: RunAddress): Promise<Owner | undefined> {
    const key = admissionKey(address.tenant_id, address.run_id);
    const known = this.#owners.get(key);
    if (known) return known;
    const first = (await this.#runLog.page(address, 0, 1)).lines[0];
    if (!first) return undefined;
    const owner = ownerIn(first.line);
    this.remember(address, owner);
    return owner;
  }

  /** Whoever starts a run often reads it next: its first event need not be looked up for that. */
  remember({ tenant_id, run_id }: RunAddress, owner: Owner): void {
    this.#owners.set(admissionKey(tenant_id, run_id), owner);
    const oldest = this.#owners.keys().next();
    if (this.#owners.size > REMEMBERED_OWNERS && !oldest.done) this.#owners.delete(oldest.value);
  }
}

function mayUse(principal: Principal, run: Owner, purpose: Purpose): boolean {
  if (run.user_id === principal.user_id || principal.scopes.has('admin')) return true;
  if (purpose === 'control') return false;
  const inWorkspace = run.workspace_id !== undefined && principal.workspace_ids.includes(run.workspace_id);
  return inWorkspace || allows(principal, 'runs:read:all');
}

function undefinedIfErased(error: unknown): undefined {
  if (!(error instanceof RunErased)) throw error;
}

function ownerIn(line: string): Owner {
  const data = decodeEvent(line).data as { user_id?: unknown; workspace_id?: unknown; agent_id?: unknown };
  return {
    user_id: typeof data.user_id === 'string' ? data.user_id : '',
    workspace_id: typeof data.workspace_id === 'string' ? data.workspace_id : undefined,
    agent_id: typeof data.agent_id === 'string' ? data.agent_id : '',
  };
}

export const notFound = (runId: string): Problem =>
  new Problem('run_not_found', `There is no run ${runId.slice(0, 40)}.`);
