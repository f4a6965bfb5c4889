import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { harmless } from '../rendering/harmless.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

interface StopFlags {
  kill?: boolean;
  reason?: string;
}

export function stopCommand(program: Command, perform: Perform): void {
  const command = program
    .command('stop')
    .description('Ask a run and its children to stop at their next boundary')
    .argument('<run>', 'id of the run')
    .option('--kill', 'do not wait for boundaries')
    .option('--reason <text>', 'why, for the log')
    .action((runId: string) => perform<StopFlags>(command, (session, flags) => stop(session, runId, flags)));
}

async function stop(session: Session, runId: string, { kill, reason }: StopFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const mode = kill ? 'kill' : 'cooperative';
  const answer = await client.stop(runId, { mode, reason }, { signal });
  if (json) await terminal.answer(JSON.stringify({ ...answer, mode }));
  else
    await terminal.answer(
      `Asked run ${harmless(answer.run_id)} to stop (${mode}). It is ${harmless(answer.status)} now.`,
    );
  return EXIT.success;
}
