import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { harmless } from '../rendering/harmless.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

export function nudgeCommand(program: Command, perform: Perform): void {
  const command = program
    .command('nudge')
    .description('Say something to a run, which takes it up between two turns')
    .argument('<run>', 'id of the run')
    .argument('<message>', 'at most 2,000 characters')
    .action((runId: string, message: string) =>
      perform(command, (session) => nudge(session, runId, message)),
    );
}

async function nudge(session: Session, runId: string, message: string): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const answer = await client.nudge(runId, message, { signal });
  if (json) await terminal.answer(JSON.stringify(answer));
  else await terminal.answer(`Nudge ${harmless(answer.nudge_id)} is event ${answer.seq} of the run.`);
  return EXIT.success;
}
