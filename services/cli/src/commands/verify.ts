import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import {
  BrokenTraceError,
  UnreachableError,
  verifyTrace,
  type TraceFault,
  type VerifiedRun,
  type VerifiedTrace,
} from '@runledger/client';
import { InvalidArgumentError, type Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { harmless } from '../rendering/harmless.ts';
import type { Place } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface VerifyFlags {
  file?: string;
  digest?: string;
  blobs?: boolean;
}

export function verifyCommand(program: Command, perform: Perform): void {
  const command = program
    .command('verify')
    .description(
      "Check every byte of a run's events against its digests; names the first event that was altered",
    )
    .argument('[run]', 'id of the run; without it the file is only checked against itself')
    .option('--file <path>', 'check this file, a trace or stored lines, packed or not; - is stdin')
    .option('--digest <hex>', 'with --file: the digest that the last event must have', sha256)
    .option('--blobs', 'also fetch and check the values over 64 KiB, which events keep by reference')
    .action((runId: string | undefined) =>
      perform.local<VerifyFlags>(command, (place, flags) => verify(place, runId, flags)),
    );
}

function sha256(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError('It must be a SHA-256 in hex.');
  return text;
}

async function verify(place: Place, runId: string | undefined, flags: VerifyFlags): Promise<ExitCode> {
  if (runId === undefined && flags.file === undefined)
    throw new UsageError('give the id of a run, or --file, or both');
  if (flags.digest !== undefined && (runId !== undefined || flags.file === undefined))
    throw new UsageError('--digest goes with --file, without the id of a run');
  if (flags.blobs && runId === undefined) throw new UsageError('--blobs needs the id of the run');
  try {
    const verified = runId === undefined ? await alone(place, flags) : await withRun(place, runId, flags);
    return await say(place, verified);
  } catch (error) {
    if (error instanceof BrokenTraceError) return sayBroken(place, runId, error.fault, error.message);
    throw error;
  }
}

function alone(place: Place, { file = '', digest }: VerifyFlags): Promise<VerifiedTrace> {
  return verifyTrace(bytesOf(place, file), { digest });
}

async function withRun(place: Place, runId: string, { file, blobs }: VerifyFlags): Promise<VerifiedRun> {
  const { client, signal } = await place.connect();
  const chunks = file === undefined ? undefined : bytesOf(place, file);
  let seq = 0;
  try {
    return await client.verify(runId, { chunks, blobs, signal, onEvent: (event) => void (seq = event.seq) });
  } catch (error) {
    if (error instanceof UnreachableError && seq > 0)
      place.terminal.talk(`Up to event ${seq} everything that came fits together.`);
    throw error;
  }
}

async function* bytesOf({ world }: Place, path: string): AsyncGenerator<Uint8Array> {
  const source = path === '-' ? world.stdin : createReadStream(resolve(world.cwd, path));
  try {
    for await (const chunk of source) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function say({ terminal, json }: Place, verified: VerifiedTrace | VerifiedRun): Promise<ExitCode> {
  const { run_id, seq, digest, proven } = verified;
  const { run_seq, blobs } = 'run_seq' in verified ? verified : { run_seq: seq, blobs: null };
  if (json) await terminal.answer(JSON.stringify({ verified: proven, run_id, seq, digest, run_seq, blobs }));
  else if (!proven)
    await terminal.answer(
      `Not verified: ${seq} events of run ${run_id} with digest ${digest}, and nothing to compare it with.`,
    );
  else {
    const events = run_seq > seq ? `the first ${seq} of ${run_seq} events` : `all ${seq} events`;
    const values = blobs === null ? '' : ` and ${blobs} values kept by reference`;
    await terminal.answer(`Verified: ${events}${values} of run ${run_id}, digest ${digest}`);
  }
  if (!proven) terminal.talk('Stored lines do not prove themselves: give the id of the run, or --digest.');
  return proven ? EXIT.success : EXIT.error;
}

async function sayBroken(
  { terminal, json }: Place,
  runId: string | undefined,
  fault: TraceFault,
  message: string,
): Promise<ExitCode> {
  await terminal.answer(
    json
      ? JSON.stringify({ verified: false, run_id: runId ?? null, ...fault })
      : `Not verified: ${harmless(message)}`,
  );
  return EXIT.error;
}
