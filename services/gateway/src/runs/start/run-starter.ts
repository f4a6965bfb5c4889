import { Inject, Injectable } from '@nestjs/common';
import type { EventData, Json } from '@runledger/run';
import { RunErased, type PreparedStart, type RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { admissionKey, MAX_INLINE_VALUE_BYTES, SCHEMA, sealEnv } from '@runledger/wire';
import { newUlid } from '../../http/new-ulid.ts';
import { AgentCatalogue, sha256 } from '../../agents/agent-catalogue.ts';
import { allows, type Principal } from '../../auth/principal.ts';
import { Buckets } from '../../broker/buckets.ts';
import { bodyFingerprint, reservationKey } from '../../idempotency/idempotency-key.ts';
import { Reservations } from '../../idempotency/reservations.ts';
import { invalid, Problem } from '../../problem/problem.ts';
import { RunAccess } from '../load-run-for.ts';
import { limitsOf, type SentLimits } from './limits.ts';
import type { StartAnswer, StartRequest } from './start-request.ts';

/** A start append is not sent later than this after its reservation, except by a repeat of the request. */
export const RESERVATION_LIVE_MS = 30_000;

/**
 * Once reserved, a start can be completed by a repeat of the request. So soon after, nobody can have done that, seen the
 * run end and had it erased.
 */
const SURELY_FRESH_MS = 500;

export interface Started {
  address: RunAddress;
  answer: StartAnswer;
  /** True when an earlier request with the same idempotency key had started this run. */
  replayed: boolean;
}

type Requested = EventData['run.requested'];
type PinnedAgent = Pick<Requested, 'agent_id' | 'agent_name' | 'agent_revision' | 'agent_sha256'> & {
  agent?: Json;
  limits: SentLimits;
};

/** Starts runs: one fenced append, at most one run per idempotency key. */
@Injectable()
export class RunStarter {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(AgentCatalogue) private readonly agents: AgentCatalogue,
    @Inject(Buckets) private readonly buckets: Buckets,
    @Inject(Reservations) private readonly reservations: Reservations,
    @Inject(RunAccess) private readonly access: RunAccess,
  ) {}

  async start(
    caller: Principal,
    request: StartRequest,
    idempotencyKey: string | undefined,
  ): Promise<Started> {
    refuseForeignWorkspace(caller, request);
    refuseOtherAgents(caller, request);
    if (idempotencyKey === undefined)
      return this.#complete(await this.#prepare(caller, request), request, false);
    return this.#startOnce(caller, request, reservationKey(caller, idempotencyKey));
  }

  async #startOnce(caller: Principal, request: StartRequest, key: string): Promise<Started> {
    const body_sha256 = bodyFingerprint(request);
    const earlier = await this.reservations.find(key, body_sha256);
    if (earlier) return this.#complete(earlier.start, request, true);
    const start = await this.#prepare(caller, request, key);
    const reservedAt = performance.now();
    const reserved = await this.reservations.reserve(key, { run_id: start.run_id, body_sha256, start });
    if (reserved.run_id !== start.run_id) return this.#complete(reserved.start, request, true);
    return this.#complete(start, request, false, reservedAt + RESERVATION_LIVE_MS);
  }

  /** `notAfter`: on the monotonic clock, the latest moment at which the append may still be sent. */
  async #complete(
    start: PreparedStart,
    request: StartRequest,
    replayed: boolean,
    notAfter = Infinity,
  ): Promise<Started> {
    const address = { tenant_id: start.tenant_id, run_id: start.run_id };
    // Until the erased run's record is gone too, its key can not start another.
    if (replayed && (await this.context.runLog.isErased(address))) throw new RunErased(start.run_id);
    await this.#keepEnv(address, request.env);
    if (performance.now() > notAfter)
      throw new Problem(
        'outcome_unknown',
        'The start took too long. Repeat it with the same idempotency key.',
      );
    const fresh = !replayed && notAfter - performance.now() > RESERVATION_LIVE_MS - SURELY_FRESH_MS;
    const { run } = await this.context.runLog.completeStart(start, { fresh });
    const { user_id, workspace_id, agent_id } = run;
    this.access.remember(address, { user_id, workspace_id: workspace_id ?? undefined, agent_id });
    return { address, replayed, answer: { run_id: run.run_id, status: run.status, seq: run.seq } };
  }

  /** Before the append: an executor that sees the run finds its values. */
  async #keepEnv({ tenant_id, run_id }: RunAddress, env: Record<string, string>): Promise<void> {
    if (Object.keys(env).length === 0) return;
    const sealed = sealEnv(this.context.settings.secretKey, env);
    await this.buckets.create('run-env', admissionKey(tenant_id, run_id), sealed);
  }

  async #prepare(caller: Principal, request: StartRequest, key?: string): Promise<PreparedStart> {
    const agent = await this.#agentFor(caller, request);
    const address = { tenant_id: caller.tenant_id, run_id: newUlid() };
    const { limits, ...pinned } = agent;
    const requested: Requested = {
      ...pinned,
      input: await this.#inlineOrBlob(address, request.input as Json),
      env_keys: Object.keys(request.env).sort(),
      tenant_id: caller.tenant_id,
      user_id: caller.user_id,
      ...(request.workspace_id === undefined ? {} : { workspace_id: request.workspace_id }),
      channel: caller.channel,
      root_run_id: address.run_id,
      depth: 0,
      labels: request.labels,
      priority: request.priority,
      limits: limitsOf(request.limits, limits),
      trace: request.trace,
      ...(key === undefined ? {} : { idempotency_key_sha256: key }),
      schema: SCHEMA,
    };
    return this.context.runLog.prepareStart({ type: 'StartRun', request: requested }, address);
  }

  async #agentFor(caller: Principal, request: StartRequest): Promise<PinnedAgent> {
    if (request.agent !== undefined) {
      const agent = request.agent as unknown as Json;
      const { agent_id, name, limits = {} } = request.agent;
      return {
        agent_id,
        agent_name: name,
        agent_revision: 0,
        agent_sha256: sha256(JSON.stringify(agent)),
        agent,
        limits,
      };
    }
    const stored = await this.agents.get(caller.tenant_id, request.agent_id ?? '');
    const { agent_id, name, limits = {} } = stored.definition;
    return {
      agent_id,
      agent_name: name,
      agent_revision: stored.revision,
      agent_sha256: stored.sha256,
      limits,
    };
  }

  async #inlineOrBlob(address: RunAddress, input: Json): Promise<Json> {
    const text = JSON.stringify(input);
    if (Buffer.byteLength(text) <= MAX_INLINE_VALUE_BYTES) return input;
    return { ...(await this.context.runLog.putBlob(address, text)) };
  }
}

function refuseForeignWorkspace(caller: Principal, request: StartRequest): void {
  if (request.workspace_id === undefined || caller.workspace_ids.includes(request.workspace_id)) return;
  throw new Problem('forbidden', 'The credential is not a member of this workspace.', {
    errors: [{ in: 'body', pointer: '/workspace_id', detail: "not among the credential's workspaces" }],
  });
}

function refuseOtherAgents(caller: Principal, request: StartRequest): void {
  if (request.agent?.kind === 'process' && !allows(caller, 'agents:write'))
    throw new Problem('forbidden', 'An inline agent that runs a command needs the scope agents:write.');
  if (caller.agent_id === undefined) return;
  if (request.agent_id === caller.agent_id) return;
  if (request.agent_id === undefined)
    throw new Problem('forbidden', 'This credential may start its own agent only.');
  throw new Problem('forbidden', `This credential may start the agent ${caller.agent_id} only.`, {
    errors: invalid([{ in: 'body', pointer: '/agent_id', detail: `must be ${caller.agent_id}` }]).errors,
  });
}
