import type { Command } from 'commander';
import { wholeNumber } from '../option-values.ts';
import type { Perform } from '../verb.ts';
import { watchRun } from '../watch-run.ts';

export function watchCommand(program: Command, perform: Perform): void {
  const command = program
    .command('watch')
    .description('Show every event of a run from the first, then live; the exit code is that of its end')
    .argument('<run>', 'id of the run')
    .option('--after <seq>', 'begin after this event', wholeNumber)
    .option(
      '--verify',
      "check every byte against the run's digests while watching; exit 1 at the first mismatch",
    )
    .action((runId: string) =>
      perform<{ after?: number; verify?: boolean }>(command, (session, flags) =>
        watchRun(session, runId, flags),
      ),
    );
}
