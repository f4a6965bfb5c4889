import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from './exit-code.ts';
import { explain } from './explain.ts';
import { createProgram } from './program.ts';
import type { World } from './session.ts';
import { performIn } from './verb.ts';

/** One call of the CLI; answers its exit code. */
export async function cli(args: readonly string[], world: World): Promise<ExitCode> {
  let exit: ExitCode = EXIT.success;
  const program = createProgram(performIn(world, (code) => (exit = code)));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit;
  } catch (error) {
    // Help and version come as errors too; what commander has to say it has said.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
    if (world.signal.aborted) return EXIT.interrupted;
    const { lines, exit: code } = explain(error);
    for (const line of lines) world.stderr.write(`${line}\n`);
    return code;
  }
}
