/** The program around one `code` agent: waits for `start`, imports the module, runs it, reports its result, ends. */
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import type { JsonValue } from '../port.ts';
import type { StartFrame } from '../protocol.ts';
import { FOLDER_PREFIX } from '../agent-folder.ts';
import { CallRefused, Channel } from './channel.ts';
import { cutLine, toolsFor, type AgentTools } from './tools.ts';

const STACK_SHOWN = 4_000;
const channel = new Channel();
const run = { run_id: '', attempt: 0, stopping: false, nudges: [] as string[] };

function captureOutput(): void {
  const levels = {
    log: 'info',
    info: 'info',
    debug: 'debug',
    warn: 'warn',
    error: 'error',
    trace: 'error',
  } as const;
  for (const [name, level] of Object.entries(levels) as [
    keyof typeof levels,
    (typeof levels)[keyof typeof levels],
  ][]) {
    const source = level === 'warn' || level === 'error' ? 'stderr' : 'stdout';
    console[name] = (...args: unknown[]) =>
      channel.send({ type: 'event', event: 'log', level, source, message: cutLine(format(...args)) });
  }
  const write = (source: 'stdout' | 'stderr') => (chunk: unknown) => {
    const message = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('utf8');
    const line = cutLine(message.replace(/\n$/, ''));
    channel.send({ type: 'event', event: 'log', level: 'info', source, message: line });
    return true;
  };
  process.stdout.write = write('stdout');
  process.stderr.write = write('stderr');
}

async function main(start: StartFrame): Promise<void> {
  Object.assign(run, { run_id: start.run_id, attempt: start.attempt });
  Object.assign(process.env, start.env);
  captureOutput();
  try {
    const value = await (await load(start.code ?? ''))(start.input, toolsFor(channel, run));
    finish({ value: (value ?? null) as JsonValue });
  } catch (error) {
    finish({ error });
  }
}

async function load(code: string): Promise<(input: JsonValue, tools: AgentTools) => unknown> {
  const file = resolve('agent.mts');
  await writeFile(file, code);
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  if (typeof module.default !== 'function')
    throw new Error('the module has no default export that is a function (input, tools)');
  return module.default as (input: JsonValue, tools: AgentTools) => unknown;
}

function finish(outcome: { value: JsonValue } | { error: unknown }): void {
  try {
    if ('value' in outcome) channel.send({ type: 'result', ok: true, value: outcome.value });
    else channel.send({ type: 'result', ok: false, error: describe(outcome.error) });
  } catch (error) {
    // A value that is too large, or that JSON has no form for.
    channel.send({ type: 'result', ok: false, error: describe(error) });
  }
  process.exit(0);
}

function describe(error: unknown): { code: string; message: string; retryable: boolean } {
  const retryable =
    typeof error === 'object' && error !== null && (error as { retryable?: unknown }).retryable === true;
  if (error instanceof CallRefused) return { code: error.code, message: error.message, retryable };
  const message = error instanceof Error ? (error.stack ?? error.message) : format(error);
  return { code: 'agent_error', message: message.slice(0, STACK_SHOWN), retryable };
}

process.on('uncaughtException', (error) => finish({ error }));
process.on('unhandledRejection', (error) => finish({ error }));

await channel.listen(process.stdin, (frame) => {
  if (frame.type === 'start') void main(frame);
  else if (frame.type === 'stop') run.stopping = true;
  else if (frame.type === 'nudge') run.nudges.push(frame.message);
});
// The executor is gone: nobody is left to work for, or to remove the folder that it made for this process.
if (basename(process.cwd()).startsWith(FOLDER_PREFIX))
  rmSync(process.cwd(), { recursive: true, force: true });
process.exit(1);
