import type { ApprovalDecision, OpenApproval } from '@runledger/client';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { controlLine } from '../rendering/control-line.ts';
import { duration } from '../rendering/durations.ts';
import { DASH } from '../rendering/fields.ts';
import { harmless, oneLine } from '../rendering/harmless.ts';
import { table } from '../rendering/run-table.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

export function approvalsCommand(program: Command, perform: Perform): void {
  const approvals = program.command('approvals').description('What your runs ask people for');
  const command = approvals
    .command('list')
    .description('List what nobody has decided; `approve` and `deny` decide')
    .action(() => perform(command, list));
}

/** `approve` or `deny`. */
export const decisionCommand =
  (decision: ApprovalDecision['decision']) =>
  (program: Command, perform: Perform): void => {
    const does =
      decision === 'approve'
        ? 'Let a run make the call that it asks for'
        : 'Refuse a run the call that it asks for';
    const command = program
      .command(decision)
      .description(`${does}; the first answer counts`)
      .argument('<run>', 'id of the run')
      .argument('<approval>', 'id of the approval: of `approvals list`, or of its event approval.requested')
      .option('--reason <text>', 'why; the run is told')
      .action((runId: string, approvalId: string) =>
        perform<{ reason?: string }>(command, (session, { reason }) =>
          decide(session, [runId, approvalId], { decision, ...(reason === undefined ? {} : { reason }) }),
        ),
      );
  };

async function list({ client, terminal, json, signal }: Session): Promise<ExitCode> {
  const found: OpenApproval[] = [];
  for await (const approval of client.eachApproval({ signal })) found.push(approval);
  if (json) for (const approval of found) await terminal.answer(JSON.stringify(approval));
  else if (found.length === 0) terminal.talk('Nothing to decide.');
  else for (const line of approvalTable(found, new Date())) await terminal.answer(line);
  return EXIT.success;
}

const approvalTable = (approvals: readonly OpenApproval[], now: Date): string[] =>
  table(
    ['RUN ID', 'APPROVAL', 'AGENT', 'SEVERITY', 'LEFT', 'CALL', 'REASON'],
    approvals.map((approval) => [
      oneLine(approval.run_id, 64),
      oneLine(approval.approval_id, 64),
      oneLine(approval.agent_id, 64),
      oneLine(approval.severity || DASH, 20),
      left(approval.due_at, now),
      oneLine(`${approval.name} ${approval.args_preview}`, 80),
      oneLine(approval.reason || DASH, 80),
    ]),
  );

function left(dueAt: string, now: Date): string {
  const ms = new Date(dueAt).getTime() - now.getTime();
  if (Number.isNaN(ms)) return DASH;
  return ms <= 0 ? 'over' : duration(ms);
}

async function decide(
  { client, terminal, json, signal }: Session,
  [runId, approvalId]: readonly [string, string],
  decision: ApprovalDecision,
): Promise<ExitCode> {
  const answer = await client.decideApproval(runId, approvalId, decision, { signal });
  const did = `${decision.decision === 'approve' ? 'Approved' : 'Denied'} ${harmless(approvalId)} of`;
  await terminal.answer(json ? JSON.stringify(answer) : controlLine(did, answer));
  return EXIT.success;
}
