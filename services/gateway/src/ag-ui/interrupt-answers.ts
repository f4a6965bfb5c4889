import { Inject, Injectable } from '@nestjs/common';
import type { Run } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { z } from 'zod';
import { allows, type Principal } from '../auth/principal.ts';
import { invalid, Problem } from '../problem/problem.ts';
import { RunControl } from '../runs/control/run-control.ts';
import { RunAccess } from '../runs/load-run-for.ts';
import type { AgUiCursor } from './ag-ui-cursor.ts';
import { interruptOf, type ResumeEntry, type RunAgentInput } from './run-agent-input.ts';
import { RunFrames } from './run-frames.ts';

const Answer = z.strictObject({ approved: z.boolean(), reason: z.string().max(2_000).default('') });

/** Where a run waits for another answer than an approval's. */
const OTHER_ROUTES: Record<OnItsOwnRoute['kind'], string> = {
  unknown_outcome: 'POST /runs/{run_id}/outcomes/{call_id}',
  budget: 'POST /runs/{run_id}/limits',
  pause: 'POST /runs/{run_id}/resume',
};

interface Decision {
  kind: 'approval';
  approval_id: string;
  decision: 'approve' | 'deny';
  reason: string;
  /** The client gave the question up: what others decided meanwhile stands. */
  isCancelled: boolean;
}

/** An entry about what has a route of its own. It is taken where that is over, and where it is no more than "go on". */
interface OnItsOwnRoute {
  kind: 'unknown_outcome' | 'budget' | 'pause';
  entry: ResumeEntry;
  id: string;
  at: number;
}

export interface Resumed {
  address: RunAddress;
  /** The end of the AG-UI run that was interrupted: what comes after it is the answer. */
  after: AgUiCursor;
}

/** Resume entries of AG-UI as decisions on a run's approvals. */
@Injectable()
export class InterruptAnswers {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(RunControl) private readonly control: RunControl,
  ) {}

  /** Nothing is decided unless every entry can be understood. */
  async give(caller: Principal, agentId: string, input: RunAgentInput): Promise<Resumed> {
    const entries = input.resume ?? [];
    const runId = runOf(entries);
    const answers = entries.map(answerOf);
    refuseUnlessAllowed(caller, answers);
    const { address, agent_id } = await this.access.loadRunFor(caller, runId, 'control');
    if (agent_id !== agentId)
      throw invalid([fault(0, 'interruptId', `is of a run of the agent ${agent_id}`)]);
    const { run, threadId, ends } = await this.#storyOf(address);
    if (threadId !== input.threadId)
      throw invalid([
        { in: 'body', pointer: '/threadId', detail: 'is not the thread of the interrupted run' },
      ]);
    const after = ends.findLast(({ interrupts }) =>
      entries.some((entry) => interrupts.has(entry.interruptId)),
    );
    if (!after) throw invalid([fault(0, 'interruptId', 'is no interrupt that the run ended with')]);
    for (const answer of answers)
      if (answer.kind !== 'approval') refuseIfOpen(run, answer, after === ends.at(-1));
    for (const answer of answers) {
      if (answer.kind === 'approval') await this.#decide(caller, run, answer);
      else if (answer.kind === 'pause' && run.waiting_on === 'pause')
        await this.control.give(caller, run.run_id, (by) => ({ type: 'ResumeRun', by }));
    }
    return { address, after: { seq: after.seq } };
  }

  async #decide(
    caller: Principal,
    run: Run,
    { isCancelled, kind: _kind, ...decision }: Decision,
  ): Promise<void> {
    const known = run.approvals.find(({ approval_id }) => approval_id === decision.approval_id);
    if (isCancelled && known && known.state !== 'open') return;
    await this.control.give(caller, run.run_id, (by) => ({
      type: 'DecideApproval',
      ...decision,
      by,
      channel: by.channel,
      scope: 'call',
    }));
  }

  /** The run up to now, and where its AG-UI runs ended with which interrupts. */
  async #storyOf(address: RunAddress): Promise<{
    run: Run;
    threadId: string;
    ends: { seq: number; interrupts: Set<string> }[];
  }> {
    const frames = new RunFrames(address.run_id, { seq: 0 });
    const ends: { seq: number; interrupts: Set<string> }[] = [];
    const { batches } = await this.context.runLog.replay(address, 0);
    for await (const stored of flat(batches))
      for (const { event } of frames.next(stored))
        if (event.type === 'RUN_FINISHED' && event.outcome.type === 'interrupt')
          ends.push({ seq: stored.seq, interrupts: new Set(event.outcome.interrupts.map(({ id }) => id)) });
    return { run: frames.state.run, threadId: frames.state.threadId, ends };
  }
}

async function* flat<T>(batches: AsyncIterable<T[]>): AsyncGenerator<T> {
  for await (const batch of batches) yield* batch;
}

/** One run's interrupts are answered at a time: the answer is that run's stream. */
function runOf(entries: readonly ResumeEntry[]): string {
  const runs = entries.map(({ interruptId }) => interruptOf(interruptId)?.run_id);
  runs.forEach((run, at) => {
    if (run === undefined) throw invalid([fault(at, 'interruptId', 'is no id of an interrupt of ours')]);
    if (run !== runs[0]) throw invalid([fault(at, 'interruptId', 'is of another run than the first')]);
  });
  return runs[0] ?? '';
}

function answerOf(entry: ResumeEntry, at: number): Decision | OnItsOwnRoute {
  const { interruptId, status, payload } = entry;
  const { kind = '', id = '' } = interruptOf(interruptId) ?? {};
  if (kind === 'unknown_outcome' || kind === 'budget' || kind === 'pause') return { kind, entry, id, at };
  if (kind !== 'approval') throw invalid([fault(at, 'interruptId', 'is no id of an interrupt of ours')]);
  if (status === 'cancelled')
    return { kind, approval_id: id, decision: 'deny', reason: 'cancelled', isCancelled: true };
  const answer = Answer.safeParse(payload);
  if (!answer.success)
    throw invalid([
      fault(at, 'payload', 'must be {approved: true or false, reason?: at most 2000 characters}'),
    ]);
  const { approved, reason } = answer.data;
  return { kind, approval_id: id, decision: approved ? 'approve' : 'deny', reason, isCancelled: false };
}

function refuseUnlessAllowed(caller: Principal, answers: readonly (Decision | OnItsOwnRoute)[]): void {
  for (const { kind } of answers) {
    const scope = kind === 'approval' ? 'approvals:decide' : 'runs:control';
    if (!allows(caller, scope))
      throw new Problem('forbidden', `To answer this interrupt the credential needs the scope ${scope}.`);
  }
}

/** What the run still waits for, and what "go on" is no answer to. */
function refuseIfOpen(run: Run, { kind, entry, id, at }: OnItsOwnRoute, isLatest: boolean): void {
  const isOpen =
    kind === 'unknown_outcome'
      ? run.open_calls.some(({ call_id, state }) => call_id === id && state === 'unknown')
      : isLatest && run.waiting_on === kind;
  if (!isOpen || (kind === 'pause' && entry.status === 'resolved')) return;
  throw invalid([fault(at, 'interruptId', `is answered by ${OTHER_ROUTES[kind]}`)]);
}

const fault = (at: number, field: string, detail: string) =>
  ({ in: 'body', pointer: `/resume/${at}/${field}`, detail }) as const;
