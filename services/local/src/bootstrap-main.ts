import { bootstrapCommand } from './bootstrap/bootstrap-command.ts';
import { USAGE, WrongUsage } from './bootstrap/options.ts';

const args = process.argv.slice(2);
try {
  if (args.includes('--help') || args.includes('-h')) process.stdout.write(`${USAGE}\n`);
  else await bootstrapCommand(args, process.env, (line) => void process.stdout.write(`${line}\n`));
} catch (error) {
  const said = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bootstrap: ${said}\n${error instanceof WrongUsage ? `\n${USAGE}\n` : ''}`);
  process.exit(error instanceof WrongUsage ? 2 : 1);
}
