import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { harmless } from '../rendering/harmless.ts';
import { saveFile } from '../save-file.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface DownloadFlags {
  o?: string;
  force?: boolean;
}

export function traceCommand(program: Command, perform: Perform): void {
  const trace = program.command('trace').description('Everything of a run as one file');
  const command = trace
    .command('download')
    .description('Write the trace of a run, gzip NDJSON, to stdout or to a file; `verify --file` checks it')
    .argument('<run>', 'id of the run')
    .option('-o <file>', 'write to this file')
    .option('--force', 'with -o: replace the file if it is there')
    .action((runId: string) =>
      perform<DownloadFlags>(command, (session, flags) => download(session, runId, flags)),
    );
}

async function download(
  session: Session,
  runId: string,
  { o: path, force }: DownloadFlags,
): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  if (force && path === undefined) throw new UsageError('--force goes with -o only');
  const chunks = client.trace(runId, { signal });
  if (path === undefined) {
    if (terminal.answersToPerson)
      throw new UsageError('a trace is binary: give -o <file>, or send stdout somewhere else');
    for await (const chunk of chunks) await terminal.answerBytes(chunk);
    return EXIT.success;
  }
  let bytes = 0;
  const hash = createHash('sha256');
  await saveFile(
    path,
    { force: force === true },
    counted(chunks, (chunk) => {
      bytes += chunk.length;
      hash.update(chunk);
    }),
  );
  const sha256 = hash.digest('hex');
  await terminal.answer(
    json
      ? JSON.stringify({ run_id: runId, file: path, bytes, sha256 })
      : `Wrote ${bytes} bytes to ${harmless(path)}.`,
  );
  return EXIT.success;
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  see: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    see(chunk);
    yield chunk;
  }
}
