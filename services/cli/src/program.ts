import { Command, Option } from 'commander';
import { approvalsCommand, decisionCommand } from './commands/approvals.ts';
import { agentsCommand } from './commands/agents.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { keysCommand } from './commands/keys.ts';
import { limitsCommand } from './commands/limits.ts';
import { listCommand } from './commands/list.ts';
import { nudgeCommand } from './commands/nudge.ts';
import { pauseCommand, resumeCommand } from './commands/pause.ts';
import { resolveCommand } from './commands/resolve.ts';
import { runCommand } from './commands/run.ts';
import { schedulesCommand } from './commands/schedules.ts';
import { startCommand } from './commands/start.ts';
import { statusCommand } from './commands/status.ts';
import { stopCommand } from './commands/stop.ts';
import { traceCommand } from './commands/trace.ts';
import { treeCommand } from './commands/tree.ts';
import { verifyCommand } from './commands/verify.ts';
import { watchCommand } from './commands/watch.ts';
import type { Perform } from './verb.ts';
import { VERSION } from './version.ts';

const EXITS = `
Exit codes: 0 success, 1 error, 2 usage, 3 stopped, 4 gave up waiting, 130 Ctrl-C (the run goes on).
Settings: RUNLEDGER_URL, RUNLEDGER_API_KEY, RUNLEDGER_HOME (the local data folder, default .runledger), NO_COLOR.`;

/** All verbs. It throws CommanderError instead of ending the process. */
export function createProgram(perform: Perform): Command {
  const program = new Command('runledger')
    .description('Start runs of agents, walk away, come back and see everything that happened')
    .version(VERSION, '-V, --version')
    .addOption(
      new Option('--output <form>', 'text, or json: one JSON document per line on stdout')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--url <url>', 'the gateway')
    .option(
      '--api-key <key>',
      'the credential (an option can be seen by others on this machine: prefer RUNLEDGER_API_KEY)',
    )
    .option('--verbose', 'say every HTTP exchange on stderr')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXITS)
    .showHelpAfterError('(runledger --help lists verbs and options)')
    .exitOverride();
  for (const add of [
    startCommand,
    runCommand,
    watchCommand,
    statusCommand,
    listCommand,
    eventsCommand,
    traceCommand,
    verifyCommand,
    stopCommand,
    nudgeCommand,
    pauseCommand,
    resumeCommand,
    limitsCommand,
    treeCommand,
    resolveCommand,
    approvalsCommand,
    ...(['approve', 'deny'] as const).map(decisionCommand),
    agentsCommand,
    keysCommand,
    schedulesCommand,
    doctorCommand,
  ])
    add(program, perform);
  return program;
}
