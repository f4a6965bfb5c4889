import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { positive, wholeNumber } from '../option-values.ts';
import { WatchLines } from '../rendering/watch-lines.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

interface EventsFlags {
  after?: number;
  limit?: number;
}

export function eventsCommand(program: Command, perform: Perform): void {
  const command = program
    .command('events')
    .description('Print the events that a run has now; with --output json the stored lines, byte for byte')
    .argument('<run>', 'id of the run')
    .option('--after <seq>', 'begin after this event', wholeNumber)
    .option('--limit <n>', 'most events', positive)
    .action((runId: string) =>
      perform<EventsFlags>(command, (session, flags) => events(session, runId, flags)),
    );
}

async function events(session: Session, runId: string, { after, limit }: EventsFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const rendering = new WatchLines(terminal.paint);
  const pageSize = Math.min(limit ?? 1000, 1000);
  let count = 0;
  for await (const { line, event } of client.eachEvent(runId, { after, pageSize }, { signal })) {
    for (const text of json ? [line] : rendering.linesOf(event)) await terminal.answer(text);
    if (++count === limit) break;
  }
  return EXIT.success;
}
