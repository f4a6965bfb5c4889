import { endsRun, isEnded, type Reconnect, type Run } from '@runledger/client';
import { EXIT, exitCodeOf, type ExitCode } from './exit-code.ts';
import { endLines, inferredEndLine } from './rendering/end-line.ts';
import { oneLine } from './rendering/harmless.ts';
import { WatchLines } from './rendering/watch-lines.ts';
import type { Session } from './session.ts';

const STATUS_OF_END: Record<string, string> = {
  'run.succeeded': 'success',
  'run.failed': 'error',
  'run.stopped': 'stopped',
};

/** Shows a run from its first event (or after `after`) to its last; the exit code is that of its end. */
export async function watchRun(
  session: Session,
  runId: string,
  { after = 0, verify = false }: { after?: number; verify?: boolean } = {},
): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const rendering = new WatchLines(terminal.paint);
  let inferred: string | null = null;
  const warn = ({ consecutive, reason }: Reconnect): void =>
    terminal.talk(`the connection keeps failing (${consecutive} times: ${oneLine(reason, 300)}); trying on`);
  try {
    const options = { after, signal, onUnstable: warn };
    const events = verify ? client.follow(runId, { ...options, verify }) : client.follow(runId, options);
    for await (const { line, event, type } of events) {
      for (const text of json ? [line] : rendering.linesOf(event)) await terminal.answer(text);
      if (endsRun(type)) inferred = STATUS_OF_END[type] ?? null;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return leaveRunning(session, runId);
  }
  return sayEnd(session, runId, inferred);
}

/** Ctrl-C leaves the run alone and says how to come back. */
export function leaveRunning({ terminal }: Session, runId: string): ExitCode {
  terminal.talk(
    `Left run ${oneLine(runId, 64)} running. Come back with: runledger watch ${oneLine(runId, 64)}`,
  );
  return EXIT.interrupted;
}

/** The status as the server has it now; what the events said, where it cannot be asked. */
async function sayEnd(
  { client, terminal, signal }: Session,
  runId: string,
  inferred: string | null,
): Promise<ExitCode> {
  let run: Run | null = null;
  try {
    run = await client.getRun(runId, { signal });
  } catch (error) {
    if (inferred === null) throw error;
  }
  if (run && isEnded(run.status)) {
    for (const line of endLines(run)) terminal.talk(line);
    return exitCodeOf(run.status);
  }
  const status = inferred ?? run?.status ?? 'unknown';
  terminal.talk(inferredEndLine(runId, status));
  return exitCodeOf(status);
}
