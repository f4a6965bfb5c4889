import type { Command } from 'commander';
import type { ExitCode } from './exit-code.ts';
import { openSession, type Session, type World } from './session.ts';

/** Runs what a verb does and keeps its exit code. */
export type Perform = <O>(
  command: Command,
  action: (session: Session, options: O) => Promise<ExitCode>,
) => Promise<void>;

export function performIn(world: World, done: (exit: ExitCode) => void): Perform {
  return async <O>(
    command: Command,
    action: (session: Session, options: O) => Promise<ExitCode>,
  ): Promise<void> => {
    const session = await openSession(command, world);
    try {
      done(await action(session, command.opts() as O));
    } finally {
      await session.terminal.finish();
    }
  };
}
