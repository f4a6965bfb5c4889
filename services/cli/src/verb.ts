import type { Command } from 'commander';
import type { ExitCode } from './exit-code.ts';
import { openPlace, type Place, type Session, type World } from './session.ts';

/** Runs what a verb does and keeps its exit code. */
export interface Perform {
  <O>(command: Command, action: (session: Session, options: O) => Promise<ExitCode>): Promise<void>;
  /** For what may need no gateway. */
  local<O>(command: Command, action: (place: Place, options: O) => Promise<ExitCode>): Promise<void>;
}

export function performIn(world: World, done: (exit: ExitCode) => void): Perform {
  const local: Perform['local'] = async <O>(
    command: Command,
    action: (place: Place, options: O) => Promise<ExitCode>,
  ) => {
    const place = openPlace(command, world);
    try {
      done(await action(place, command.opts() as O));
    } finally {
      await place.terminal.finish();
    }
  };
  const perform = <O>(command: Command, action: (session: Session, options: O) => Promise<ExitCode>) =>
    local<O>(command, async (place, options) => action(await place.connect(), options));
  return Object.assign(perform, { local });
}
