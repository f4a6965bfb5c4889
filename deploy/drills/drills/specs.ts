import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBroker, cacheFolder } from '@runledger/local-servers';
import { temporaryFolder } from '@runledger/testkit';
import { type Drill, type DrillContext, Skipped } from '../drill.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

interface JestResults {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numRuntimeErrorTestSuites: number;
  testResults: { assertionResults: { fullName: string; status: string }[] }[];
}

/** Row 30: who may see what, over HTTP. */
export const access: Drill = {
  name: 'access',
  rows: '30',
  title: 'every route with every kind of credential that must be refused (the specs of the gateway)',
  run: (context) =>
    runSpecs(context, ['services/gateway/test/*access*.spec.ts', 'services/gateway/test/*matrix*.spec.ts']),
};

/** Row 34: who may do what, at the broker. */
export const permissions: Drill = {
  name: 'permissions',
  rows: '34',
  title: "every service's identity tries what it must not do at the broker (the specs of nest-jetstream)",
  run: (context) => runSpecs(context, ['libs/nest-jetstream/test/*permissions*.spec.ts']),
};

async function runSpecs({ cleanup, figures, say }: DrillContext, patterns: string[]): Promise<void> {
  const files: string[] = [];
  for await (const file of glob(patterns, { cwd: ROOT })) files.push(file);
  if (files.length === 0) throw new Skipped(`there is no spec at ${patterns.join(' or ')}`);
  const folder = await temporaryFolder('runledger-drill-');
  cleanup.add('results', () => folder.remove());
  const outputFile = join(folder.path, 'results.json');
  const { path } = await findBroker({ cacheDir: cacheFolder(), log: () => undefined });
  say(files.join(', '));
  const jest = spawn(
    process.execPath,
    [
      ...FLAGS,
      'node_modules/jest/bin/jest.js',
      '--json',
      `--outputFile=${outputFile}`,
      '--runTestsByPath',
      ...files,
    ],
    {
      cwd: ROOT,
      env: { ...process.env, RUNLEDGER_NATS_SERVER: path },
      stdio: ['ignore', 'ignore', 'ignore'],
    },
  );
  cleanup.add('specs', () => jest.kill('SIGTERM'));
  await once(jest, 'exit');
  const results = JSON.parse(await readFile(outputFile, 'utf8')) as JestResults;
  const failed = results.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName }) => fullName);
  figures.tell('specs', files.join(', '));
  figures.atLeast('passed', results.numPassedTests, 1);
  figures.none('failed', failed);
  figures.exactly('files that could not be run', results.numRuntimeErrorTestSuites, 0);
  figures.exactly('left out', results.numPendingTests, 0);
}
