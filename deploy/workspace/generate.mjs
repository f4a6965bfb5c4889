// Writes proto/generated from its sources: layout and permissions from subjects.yaml, messages from *.proto, HTTP types from
// openapi.yaml. With `--check` nothing is written, and what is not as it would be written is named (exit code 1).
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layoutSource, readLayout } from './layout-source.mjs';
import { permissionsSource } from './permissions-source.mjs';
import { messageIndexSource } from './message-index-source.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const proto = join(root, 'proto');
const generated = join(proto, 'generated');
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };

/** Everything that belongs into proto/generated, by relative path. */
function generate(scratch) {
  const run = (command, ...args) =>
    execFileSync(join(bin, command), args, {
      cwd: proto,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 2 ** 26,
    });
  run('buf', 'generate', '--output', scratch);
  const image = JSON.parse(run('buf', 'build', '--output', '-#format=json'));
  const files = new Map(filesOf(scratch).map((path) => [path, readFileSync(join(scratch, path), 'utf8')]));
  const layout = readLayout(join(proto, 'subjects.yaml'));
  files.set('layout.ts', layoutSource(layout));
  files.set('permissions.ts', permissionsSource(layout));
  const openapi = join(proto, 'http', 'openapi.yaml');
  if (existsSync(openapi)) files.set('http.ts', run('openapi-typescript', openapi));
  files.set('index.ts', messageIndexSource(image, files.has('http.ts')));
  return files;
}

function filesOf(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function main(check) {
  const scratch = mkdtempSync(join(proto, '.generate-'));
  try {
    const wanted = generate(scratch);
    const current = (path) =>
      existsSync(join(generated, path)) ? readFileSync(join(generated, path), 'utf8') : undefined;
    const changed = [...wanted].filter(([path, text]) => current(path) !== text);
    const stale = filesOf(generated).filter((path) => !wanted.has(path));
    if (check) return report([...changed.map(([path]) => path), ...stale]);
    // Only what differs is touched, so that nothing that reads the folder meanwhile misses a file.
    for (const [path, text] of changed) {
      mkdirSync(dirname(join(generated, path)), { recursive: true });
      writeFileSync(join(generated, path), text);
    }
    for (const path of stale) rmSync(join(generated, path));
    console.log(`proto/generated: ${wanted.size} files, ${changed.length} written, ${stale.length} removed`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function report(drifted) {
  if (drifted.length === 0) return;
  console.error(
    `proto/generated is not what its sources give; run \`npm run generate\`:\n  ${drifted.join('\n  ')}`,
  );
  process.exitCode = 1;
}

main(process.argv.includes('--check'));
