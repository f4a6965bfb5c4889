import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const workspace = fileURLToPath(new URL('../', import.meta.url));
let clone: string;

/** A clone of its own with the real scripts and a small lockfile. */
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'runledger-clone-'));
  mkdirSync(join(clone, 'deploy'));
  cpSync(workspace, join(clone, 'deploy', 'workspace'), { recursive: true });
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function lockfile(packages: Record<string, object>, dependencies = {}): void {
  const about = {
    name: 'clone',
    version: '1.0.0',
    ...(Object.keys(dependencies).length > 0 ? { dependencies } : {}),
  };
  writeFileSync(join(clone, 'package.json'), JSON.stringify({ ...about, type: 'module' }));
  const lock = { ...about, lockfileVersion: 3, requires: true, packages: { '': about, ...packages } };
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify(lock));
}

function tools(names: Record<string, string>): void {
  const bin = join(clone, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, script] of Object.entries(names)) writeFileSync(join(bin, name), script, { mode: 0o755 });
}

function run(script: string, ...args: string[]) {
  const env = {
    ...process.env,
    npm_config_registry: 'http://127.0.0.1:1',
    npm_config_fetch_retries: '0',
    npm_execpath: '',
  };
  const at = join(clone, 'deploy', 'workspace', script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [at, ...args], {
    encoding: 'utf8',
    env,
    cwd: clone,
  });
  return { status, said: stdout + stderr };
}

const far = {
  'node_modules/far': {
    version: '1.0.0',
    resolved: 'http://127.0.0.1:1/far-1.0.0.tgz',
    integrity: 'sha512-AA==',
  },
};

describe('a fresh clone', () => {
  it('says in one line that there is no network', () => {
    lockfile(far, { far: '1.0.0' });
    const { status, said } = run('build.mjs');
    expect(status).toBe(1);
    expect(said).toMatch(/installing the packages of the lockfile/);
    expect(said).toMatch(
      /error: the packages cannot be installed: no network to the package registry \(ECONNREFUSED\)/,
    );
  }, 60_000);

  it('installs, and tells when the package "node" has not brought its Node', () => {
    lockfile({});
    const { status, said } = run('build.mjs');
    expect(status).toBe(1);
    expect(said).toMatch(
      /installed in [\d.]+ s\nerror: node_modules\/\.bin\/node does not run, and Node 24 is needed/,
    );
  }, 60_000);

  it('does not take a Node that is too old', () => {
    lockfile({});
    tools({ node: '#!/bin/sh\necho v22.1.0\n' });
    writeFileSync(join(clone, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: {} }));
    expect(run('build.mjs').said).toContain(
      'error: node_modules/.bin/node is v22.1.0, and Node 24 is needed',
    );
  });
});

describe('an installed clone', () => {
  beforeEach(() => {
    lockfile(far, { far: '1.0.0' });
    tools({ tsc: '#!/bin/sh\necho "compiling $@"\nexit ${TSC_EXIT:-0}\n' });
    symlinkSync(process.execPath, join(clone, 'node_modules', '.bin', 'node'));
    writeFileSync(join(clone, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: far }));
  });

  it('is left as it is, also when somebody else has installed it', () => {
    expect(run('build.mjs')).toEqual({ status: 0, said: 'compiling -b tsconfig.json\n' });
    expect(run('build.mjs')).toEqual({ status: 0, said: 'compiling -b tsconfig.json\n' });
  });

  it('is installed again when the lockfile has changed', () => {
    run('build.mjs');
    const changed = readFileSync(join(clone, 'package-lock.json'), 'utf8').replaceAll('1.0.0', '1.0.1');
    writeFileSync(join(clone, 'package-lock.json'), changed);
    writeFileSync(
      join(clone, 'package.json'),
      readFileSync(join(clone, 'package.json'), 'utf8').replaceAll('1.0.0', '1.0.1'),
    );
    expect(run('build.mjs').said).toContain('installing the packages of the lockfile');
  }, 60_000);

  it('starts the program with its arguments, and ends as it ends', () => {
    const dist = join(clone, 'services', 'local', 'dist');
    mkdirSync(dist, { recursive: true });
    writeFileSync(
      join(dist, 'main.js'),
      'console.log("started", ...process.argv.slice(2)); process.exitCode = 7;',
    );
    expect(run('start.mjs', '--one', 'two')).toEqual({
      status: 7,
      said: 'compiling -b tsconfig.json\nstarted --one two\n',
    });
  });

  it('passes a signal on, and ends when the program has ended in its own time', async () => {
    const dist = join(clone, 'services', 'local', 'dist');
    mkdirSync(dist, { recursive: true });
    writeFileSync(
      join(dist, 'main.js'),
      `process.on('SIGTERM', () => setTimeout(() => { console.log('drained'); process.exit(3); }, 300));
       console.log('ready'); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [join(clone, 'deploy/workspace/start.mjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (chunk.toString().includes('ready')) child.kill('SIGTERM');
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, said }).toEqual({ code: 3, said: 'compiling -b tsconfig.json\nready\ndrained\n' });
  });

  it('runs one service by its name, and names them all for a wrong one', () => {
    for (const name of ['gateway', 'reconciler', 'local', 'cli']) {
      mkdirSync(join(clone, 'services', name, 'dist'), { recursive: true });
      writeFileSync(join(clone, 'services', name, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(clone, 'services', name, 'dist', 'main.js'), `console.log('this is ${name}');`);
    }
    expect(run('service.mjs', 'gateway').said).toContain('this is gateway');
    for (const wrong of ['local', '../gateway', 'nowhere']) {
      const { status, said } = run('service.mjs', wrong);
      expect({ status, said }).toEqual({
        status: 1,
        said: `error: there is no service "${wrong}". Usage: npm run service -- <gateway|reconciler>\n`,
      });
    }
  });
});
