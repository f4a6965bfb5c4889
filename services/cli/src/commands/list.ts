import type { RunSummary } from '@runledger/client';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { oneLabel, positive } from '../option-values.ts';
import { runTable } from '../rendering/run-table.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface ListFlags {
  status?: string;
  agent?: string;
  label?: { key: string; value: string };
  limit: number;
}

const LARGEST_PAGE = 100;
const STATUSES = ['queued', 'running', 'waiting', 'stopping', 'success', 'error', 'stopped'];

export function listCommand(program: Command, perform: Perform): void {
  const command = program
    .command('list')
    .description('List your runs, newest first')
    .option('--status <list>', `only these, separated by commas: ${STATUSES.join(' ')}`)
    .option('--agent <id>', 'only runs of this agent')
    .option('--label <k=v>', 'only runs with this label', oneLabel)
    .option('--limit <n>', 'most rows', positive, 20)
    .action(() => perform<ListFlags>(command, list));
}

async function list({ client, terminal, json, signal }: Session, flags: ListFlags): Promise<ExitCode> {
  const status = flags.status?.split(',').map((name) => name.trim());
  const wrong = status?.find((name) => !STATUSES.includes(name));
  if (wrong !== undefined)
    throw new UsageError(`--status: ${wrong || 'nothing'} is none of ${STATUSES.join(', ')}`);
  const { agent: agent_id, label } = flags;
  const rows: RunSummary[] = [];
  const query = { status, agent_id, label, limit: Math.min(flags.limit, LARGEST_PAGE) };
  for await (const run of client.eachRun(query, { signal })) {
    rows.push(run);
    if (rows.length >= flags.limit) break;
  }
  if (json) for (const run of rows) await terminal.answer(JSON.stringify(run));
  else if (rows.length === 0) terminal.talk('No runs.');
  else for (const line of runTable(rows, new Date())) await terminal.answer(line);
  return EXIT.success;
}
