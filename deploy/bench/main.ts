/** npm run bench -- [name ...] [--seconds n] [--rounds n] [--setup one|many|both] [--json file] [--compare file] */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import type { Measured, Results, SetUp } from './figure.ts';
import { type Bench, W10 } from './measure.ts';
import { MEASURES } from './measures/index.ts';
import { readOptions, type Options } from './options.ts';
import { startRawSide } from './raw/raw-side.ts';
import { templateOf } from './raw/run-template.ts';
import { earlier, reportOf } from './report.ts';
import { RunEnds } from './run-ends.ts';
import { ROOT } from './system/program.ts';
import { startSystem, TENANT } from './system/system.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const options = readOptions(
    process.argv.slice(2),
    MEASURES.map(({ name }) => name),
  );
  const before =
    options.compare === undefined
      ? undefined
      : (JSON.parse(readFileSync(options.compare, 'utf8')) as Results);
  const results = await emptyResults(options);
  say(
    `${results.machine.cpus} × ${results.machine.model}, ${results.machine.memory_mib} MiB, Node ${results.machine.node}, nats-server ${results.machine.broker}, every write synced; revision ${results.revision}\n`,
  );
  for (const setup of options.setups)
    await measure(setup, options, (measured) => {
      results.measured.push(measured);
      say(reportOf(measured, earlier(before, measured)));
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
    });
}

async function measure(setup: SetUp, options: Options, tell: (measured: Measured) => void): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const system = cleanup.adopt(await startSystem(setup), (started) => started.stop());
  const raw = cleanup.adopt(await startRawSide(system.pids().length), (started) => started.stop());
  const ends = cleanup.adopt(new RunEnds(system.broker), (seen) => seen.close());
  await system.broker.nc.flush();
  const { run_id } = await system.api.start(W10.agent, W10.input);
  await ends.of(run_id);
  const template = await templateOf(system.broker, TENANT, run_id);
  const bench: Bench = { system, raw, ends, template, seconds: options.seconds, rounds: options.rounds };
  for (const one of MEASURES.filter(({ name }) => options.names.includes(name))) {
    const load = loadNow();
    try {
      const { figures, notes = [] } = await one.run(bench);
      tell({ name: one.name, setup, method: one.method, figures, notes, load: [load, loadNow()] });
    } catch (error) {
      failed(`${one.name} · ${setup}`, error);
    }
  }
}

async function emptyResults({ seconds }: Options): Promise<Results> {
  const raw = await startRawSide(0);
  const { version } = raw.server;
  await raw.stop();
  return {
    at: new Date().toISOString(),
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? 'unknown',
      memory_mib: Math.round(totalmem() / 1024 ** 2),
      node: process.versions.node,
      broker: version,
    },
    revision: revision(),
    seconds,
    measured: [],
  };
}

function revision(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

const loadNow = (): number => loadavg()[0] ?? 0;

/** A measure that fails does not take the others with it; the exit code tells. */
function failed(what: string, error: unknown): void {
  process.stderr.write(
    `${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  failed('bench', error);
}
