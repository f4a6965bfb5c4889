// npm run check: everything that can be said about the sources without running the product. One line per step with its
// time; the first step that fails is shown whole and ends the check. Arguments choose steps: `npm run check -- types lint`.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, main, node, NotReady, root, workspaceEnv } from './ready.mjs';

const bin = (name) => join(root, 'node_modules/.bin', name);
const env = workspaceEnv({ NX_DAEMON: 'false', NX_TUI: 'false', NO_COLOR: '1', FORCE_COLOR: '0' });

/** The spec projects that have a spec: tsc refuses one without files. */
function specProjects() {
  const folders = ['libs', 'services', 'deploy'].flatMap((top) =>
    readdirSync(join(root, top)).map((name) => `${top}/${name}`),
  );
  const withSpecs = ['proto', ...folders].filter((folder) => {
    const specs = join(root, folder, 'test');
    if (!existsSync(join(root, folder, 'tsconfig.spec.json')) || !existsSync(specs)) return false;
    return readdirSync(specs, { recursive: true }).some((name) => String(name).endsWith('.ts'));
  });
  return withSpecs.map((folder) => `${folder}/tsconfig.spec.json`);
}

/** Each step is a list of commands. The graph comes first: without it the import rules are silent. */
const STEPS = [
  ['graph', () => [[bin('nx'), 'show', 'projects']]],
  ['format', () => [[bin('prettier'), '--check', '--log-level', 'warn', '.']]],
  [
    'types',
    () => [
      [bin('tsc'), '-b', 'tsconfig.json'],
      ...specProjects().map((project) => [bin('tsc'), '-p', project, '--noEmit']),
    ],
  ],
  [
    'lint',
    () => [
      [bin('nx'), 'run-many', '-t', 'lint', '--output-style=stream'],
      [bin('eslint'), 'deploy', 'eslint.config.mjs', 'jest.config.mjs', '--max-warnings', '0'],
    ],
  ],
  ['boundaries', () => [[node, 'deploy/workspace/boundary-canary.mjs']]],
  [
    'proto',
    () => [
      [bin('buf'), 'lint', 'proto'],
      [bin('buf'), 'format', 'proto', '--diff', '--exit-code'],
    ],
  ],
  ['drift', () => [[node, 'deploy/workspace/generate.mjs', '--check']]],
];

async function output([command, ...args]) {
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  return { code, said };
}

await main(async () => {
  await ensureInstalled();
  const chosen = process.argv.slice(2);
  const unknown = chosen.find((name) => !STEPS.some(([step]) => step === name));
  if (unknown !== undefined) {
    throw new NotReady(`there is no step "${unknown}"; there are ${STEPS.map(([step]) => step).join(', ')}`);
  }
  for (const [name, commands] of STEPS) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const started = Date.now();
    for (const command of commands()) {
      const { code, said } = await output(command);
      if (code === 0) continue;
      console.log(`${name.padEnd(12)}failed`);
      console.log(said);
      throw new NotReady(
        `${name} (${command.map((word) => word.replace(root, '')).join(' ')}) has failed: see above`,
      );
    }
    console.log(`${name.padEnd(12)}${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
});
