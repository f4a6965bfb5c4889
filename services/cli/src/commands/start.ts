import { ApiError, newIdempotencyKey, UnreachableError, type StartedRun } from '@runledger/client';
import { Option, type Command } from 'commander';
import { EXIT, exitCodeOf, type ExitCode } from '../exit-code.ts';
import { amount, keyValue, positive, seconds } from '../option-values.ts';
import { endLines } from '../rendering/end-line.ts';
import { harmless } from '../rendering/harmless.ts';
import { statusSnapshot } from '../rendering/status-snapshot.ts';
import type { Session } from '../session.ts';
import { startRequest, type StartOptions } from '../start-request.ts';
import type { Perform } from '../verb.ts';
import { waitForEnd } from '../wait-for-end.ts';
import { leaveRunning, watchRun } from '../watch-run.ts';

export interface StartFlags extends StartOptions {
  idempotencyKey?: string;
  wait?: boolean;
  maxWait?: number;
  watch?: boolean;
}

export function startCommand(program: Command, perform: Perform): void {
  const command = program
    .command('start')
    .description('Start a run and print its id')
    .addOption(
      new Option('--wait', 'wait until the run has ended; the exit code is that of its end').conflicts(
        'watch',
      ),
    )
    .option('--max-wait <s>', 'with --wait: give up after so many seconds (exit 4)', seconds)
    .option('--watch', 'show the run as it goes, as `run` does');
  withStartOptions(command).action((agent: string) =>
    perform<StartFlags>(command, (session, flags) =>
      flags.watch ? startAndWatch(session, agent, flags) : startOnly(session, agent, flags),
    ),
  );
}

export function withStartOptions(command: Command): Command {
  return command
    .argument('<agent>', 'id of the agent')
    .option(
      '-i <k=v>',
      'one key of the input, repeatable; the value is JSON where it parses, else text',
      keyValue,
    )
    .option('--input <file>', 'the whole input as JSON, from a file or - for standard input')
    .option('--env <K=V>', 'a value of the environment for the agent, repeatable; never in the log', keyValue)
    .option('--max-turns <n>', 'most turns', positive)
    .option('--max-cost <usd>', 'most US dollars', amount)
    .option('--timeout <s>', 'most seconds', positive)
    .option('--label <k=v>', 'a label, repeatable', keyValue)
    .option('--idempotency-key <key>', 'the same key and request start one run, however often they are sent');
}

/** Starts and watches: stdout is the run's events. */
export async function startAndWatch(session: Session, agent: string, flags: StartFlags): Promise<ExitCode> {
  const run = await start(session, agent, flags);
  session.terminal.talk(
    `Run ${harmless(run.run_id)}${run.replayed ? ' (started before with this key)' : ''}`,
  );
  return watchRun(session, run.run_id);
}

async function startOnly(session: Session, agent: string, flags: StartFlags): Promise<ExitCode> {
  const { terminal, json, signal } = session;
  const run = await start(session, agent, flags);
  const { run_id, status, seq, replayed } = run;
  await terminal.answer(json ? JSON.stringify({ run_id, status, seq, replayed }) : harmless(run_id));
  if (!flags.wait) return EXIT.success;
  try {
    const waited = await waitForEnd(session, run_id, flags.maxWait);
    if (json) await terminal.answer(JSON.stringify(waited.run));
    else for (const line of statusSnapshot(waited.run, new Date())) terminal.talk(line);
    if (!waited.ended) {
      terminal.talk(`Gave up waiting; the run goes on. Come back with: runledger watch ${harmless(run_id)}`);
      return EXIT.gaveUp;
    }
    for (const line of endLines(waited.run)) terminal.talk(line);
    return exitCodeOf(waited.run.status);
  } catch (error) {
    if (!signal.aborted) throw error;
    return leaveRunning(session, run_id);
  }
}

async function start(session: Session, agent: string, flags: StartFlags): Promise<StartedRun> {
  const { client, terminal, signal } = session;
  const request = await startRequest(agent, flags, () => terminal.readInput());
  const idempotencyKey = flags.idempotencyKey ?? newIdempotencyKey();
  try {
    return await client.start(request, { idempotencyKey, signal });
  } catch (error) {
    const unknown =
      signal.aborted ||
      error instanceof UnreachableError ||
      (error instanceof ApiError && error.status >= 500);
    if (unknown)
      terminal.talk(
        `No answer: the run may have been started. The same command with --idempotency-key ${idempotencyKey} never starts a second one.`,
      );
    throw error;
  }
}
