import type { OutcomeChoice } from '@runledger/client';
import { Argument, type Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { controlLine } from '../rendering/control-line.ts';
import { harmless } from '../rendering/harmless.ts';
import type { Session } from '../session.ts';
import { jsonOrText } from '../start-request.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface ResolveFlags {
  result?: string;
}

export function resolveCommand(program: Command, perform: Perform): void {
  const command = program
    .command('resolve')
    .description('Say what became of a tool call whose outcome is not known')
    .argument('<run>', 'id of the run')
    .argument('<call>', 'id of the call: of its event outcome.unknown')
    .addArgument(
      new Argument(
        '<choice>',
        'retry: do it again; mark_done: take it as done; skip: go on without it',
      ).choices(['retry', 'mark_done', 'skip']),
    )
    .option('--result <value>', 'with mark_done: what the call returned; JSON where it parses, else text')
    .action((runId: string, callId: string, choice: OutcomeChoice['choice']) =>
      perform<ResolveFlags>(command, (session, { result }) =>
        resolve(session, [runId, callId], outcome(choice, result)),
      ),
    );
}

function outcome(choice: OutcomeChoice['choice'], result: string | undefined): OutcomeChoice {
  if (result === undefined) return { choice };
  if (choice !== 'mark_done') throw new UsageError('--result goes with mark_done only');
  return { choice, result: jsonOrText(result) };
}

async function resolve(
  session: Session,
  [runId, callId]: readonly [string, string],
  choice: OutcomeChoice,
): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const answer = await client.resolveOutcome(runId, callId, choice, { signal });
  const did = `Resolved call ${harmless(callId)} (${choice.choice}) of`;
  await terminal.answer(json ? JSON.stringify(answer) : controlLine(did, answer));
  return EXIT.success;
}
