import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { treeLines } from '../rendering/tree-lines.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

export function treeCommand(program: Command, perform: Perform): void {
  const command = program
    .command('tree')
    .description('Show a run and those below it; while it stops, who is waited for and who has seen it')
    .argument('<run>', 'id of the run')
    .action((runId: string) => perform(command, (session) => tree(session, runId)));
}

async function tree({ client, terminal, json, signal }: Session, runId: string): Promise<ExitCode> {
  const answer = await client.tree(runId, { signal });
  for (const line of json ? [JSON.stringify(answer)] : treeLines(answer, new Date()))
    await terminal.answer(line);
  if (answer.truncated)
    terminal.talk('There are more runs than are shown here: ask for the tree of one of them.');
  return EXIT.success;
}
