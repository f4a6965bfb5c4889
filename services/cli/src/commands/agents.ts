import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { DASH } from '../rendering/fields.ts';
import { oneLine } from '../rendering/harmless.ts';
import { table } from '../rendering/run-table.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

export function agentsCommand(program: Command, perform: Perform): void {
  const agents = program.command('agents').description('The agents that runs can be started of');
  const command = agents
    .command('list')
    .description('List them')
    .action(() => perform(command, list));
}

async function list({ client, terminal, json, signal }: Session): Promise<ExitCode> {
  const agents = await client.agents({ signal });
  const rows = agents.map(({ agent_id, kind, revision, description, name }) => [
    oneLine(agent_id, 64),
    oneLine(kind ?? DASH, 20),
    revision === undefined ? DASH : String(revision),
    oneLine(description || name, 80),
  ]);
  const lines = json
    ? agents.map((agent) => JSON.stringify(agent))
    : table(['AGENT', 'KIND', 'REVISION', 'DESCRIPTION'], rows);
  for (const line of lines) await terminal.answer(line);
  return EXIT.success;
}
