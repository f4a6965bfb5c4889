import type { RaisedLimits } from '@runledger/client';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { amount, positive } from '../option-values.ts';
import { controlLine } from '../rendering/control-line.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface LimitFlags {
  maxTurns?: number;
  maxCost?: number;
  timeout?: number;
  maxAttempts?: number;
}

export function limitsCommand(program: Command, perform: Perform): void {
  const command = program
    .command('limits')
    .description('Raise limits of a run; one that waits at the limit that was raised goes on')
    .argument('<run>', 'id of the run')
    .option('--max-turns <n>', 'most turns', positive)
    .option('--max-cost <usd>', 'most US dollars', amount)
    .option('--timeout <s>', 'most seconds, counted from the start request', positive)
    .option('--max-attempts <n>', 'most attempts', positive)
    .action((runId: string) =>
      perform<LimitFlags>(command, (session, flags) => limits(session, runId, flags)),
    );
}

async function limits(session: Session, runId: string, flags: LimitFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const answer = await client.raiseLimits(runId, raised(flags), { signal });
  await terminal.answer(json ? JSON.stringify(answer) : controlLine('Raised the limits of', answer));
  return EXIT.success;
}

function raised({ maxTurns, maxCost, timeout, maxAttempts }: LimitFlags): RaisedLimits {
  const given = Object.entries({
    max_turns: maxTurns,
    max_cost_usd: maxCost,
    timeout_s: timeout,
    max_attempts: maxAttempts,
  }).filter(([, value]) => value !== undefined);
  if (given.length === 0)
    throw new UsageError('give at least one of --max-turns, --max-cost, --timeout, --max-attempts');
  return Object.fromEntries(given);
}
