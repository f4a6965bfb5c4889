import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { controlLine } from '../rendering/control-line.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

interface PauseFlags {
  reason?: string;
}

export function pauseCommand(program: Command, perform: Perform): void {
  const command = program
    .command('pause')
    .description('Ask a running run to wait at its next boundary')
    .argument('<run>', 'id of the run')
    .option('--reason <text>', 'why, for the log')
    .action((runId: string) =>
      perform<PauseFlags>(command, (session, flags) => pause(session, runId, flags)),
    );
}

async function pause(session: Session, runId: string, { reason }: PauseFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const answer = await client.pause(runId, { reason }, { signal });
  await terminal.answer(json ? JSON.stringify(answer) : controlLine('Asked for a pause of', answer));
  return EXIT.success;
}

export function resumeCommand(program: Command, perform: Perform): void {
  const command = program
    .command('resume')
    .description('Let a paused run go on')
    .argument('<run>', 'id of the run')
    .action((runId: string) => perform(command, (session) => resume(session, runId)));
}

async function resume({ client, terminal, json, signal }: Session, runId: string): Promise<ExitCode> {
  const answer = await client.resume(runId, { signal });
  await terminal.answer(json ? JSON.stringify(answer) : controlLine('Resumed', answer));
  return EXIT.success;
}
