import type { Command } from 'commander';
import type { Perform } from '../verb.ts';
import { startAndWatch, withStartOptions, type StartFlags } from './start.ts';

export function runCommand(program: Command, perform: Perform): void {
  const command = program
    .command('run')
    .description('Start a run and watch it; the exit code is that of its end');
  withStartOptions(command).action((agent: string) =>
    perform<StartFlags>(command, (session, flags) => startAndWatch(session, agent, flags)),
  );
}
