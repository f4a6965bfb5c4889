import { isEnded } from '@runledger/client';
import type { Command } from 'commander';
import { EXIT, exitCodeOf, type ExitCode } from '../exit-code.ts';
import { seconds } from '../option-values.ts';
import { harmless } from '../rendering/harmless.ts';
import { statusSnapshot } from '../rendering/status-snapshot.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';
import { waitForEnd } from '../wait-for-end.ts';
import { leaveRunning } from '../watch-run.ts';

interface StatusFlags {
  wait?: boolean;
  maxWait?: number;
}

export function statusCommand(program: Command, perform: Perform): void {
  const command = program
    .command('status')
    .description('Show what a run is doing, or how it ended')
    .argument('<run>', 'id of the run')
    .option('--wait', 'wait until the run has ended; the exit code is that of its end')
    .option('--max-wait <s>', 'with --wait: give up after so many seconds (exit 4)', seconds)
    .action((runId: string) =>
      perform<StatusFlags>(command, (session, flags) => status(session, runId, flags)),
    );
}

async function status(session: Session, runId: string, flags: StatusFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  try {
    const run = flags.wait
      ? (await waitForEnd(session, runId, flags.maxWait)).run
      : await client.getRun(runId, { signal });
    const lines = json ? [JSON.stringify(run)] : statusSnapshot(run, new Date());
    for (const line of lines) await terminal.answer(line);
    if (!flags.wait) return EXIT.success;
    if (isEnded(run.status)) return exitCodeOf(run.status);
    terminal.talk(`Gave up waiting; the run goes on. Come back with: runledger watch ${harmless(runId)}`);
    return EXIT.gaveUp;
  } catch (error) {
    if (!signal.aborted) throw error;
    return flags.wait ? leaveRunning(session, runId) : EXIT.interrupted;
  }
}
