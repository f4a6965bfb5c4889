// Makes a clone ready: what the lockfile says is installed, what changed is built. Runs on any Node from 18, before
// node_modules exists, so it imports nothing but Node itself.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');
/** The Node of the workspace (24 or newer), whichever Node runs this script. */
export const node = join(bin, 'node');
const OLDEST_NODE = 24;

/** A fault that is told without a stack. */
export class NotReady extends Error {}

/** The environment in which the workspace's own node and tools come first. */
export function workspaceEnv(more = {}) {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`, ...more };
}

/** Installs when node_modules does not match the lockfile; a moment when it does. */
export async function ensureInstalled() {
  const lockfile = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const wanted = createHash('sha256').update(lockfile).digest('hex');
  const marker = join(modules, '.runledger-lockfile');
  const installed = existsSync(marker) ? readFileSync(marker, 'utf8').trim() : '';
  if (installed !== wanted) {
    if (!matches(JSON.parse(lockfile))) await install();
    ensureNode();
    writeFileSync(marker, `${wanted}\n`);
  } else ensureNode();
}

/** True when npm's own record of node_modules holds every package of the lockfile; optional ones may be absent. */
function matches(lockfile) {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages ?? {};
  const optional = (one) => Boolean(one.optional || one.devOptional || one.extraneous);
  return Object.entries(lockfile.packages).every(([path, wanted]) => {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true;
    const there = present[path];
    if (there === undefined) return optional(wanted);
    return there.version === wanted.version && there.integrity === wanted.integrity;
  });
}

async function install() {
  const started = Date.now();
  console.error('installing the packages of the lockfile (npm ci; about a minute) ...');
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', root];
  const { code, said } = await run(command, args, 'the packages');
  if (code !== 0) {
    const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.exec(said);
    throw new NotReady(
      offline
        ? `the packages cannot be installed: no network to the package registry (${offline[0]}). Connect once, then try again.`
        : `npm ci has failed (${code}); its messages are above`,
    );
  }
  console.error(`installed in ${seconds(started)}`);
}

/** Runs with its output shown, and a sign of life every ten seconds, since npm says nothing when nobody watches. */
async function run(command, args, what) {
  const started = Date.now();
  const sign = setInterval(() => console.error(`  ... ${what}: ${seconds(started)}`), 10_000);
  let said = '';
  try {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] });
    child.stderr.on('data', (chunk) => {
      said = (said + chunk).slice(-20_000);
      process.stderr.write(chunk);
    });
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    return { code, said };
  } catch (error) {
    throw new NotReady(`${command} cannot be run: ${error.message}`);
  } finally {
    clearInterval(sign);
  }
}

function ensureNode() {
  const asked = existsSync(node) ? spawnSync(node, ['--version'], { encoding: 'utf8' }) : undefined;
  const version = asked?.stdout?.trim();
  const major = Number(/^v(\d+)\./.exec(version ?? '')?.[1]);
  if (major >= OLDEST_NODE) return;
  const found = version ? `is ${version}` : 'does not run';
  throw new NotReady(
    `node_modules/.bin/node ${found}, and Node ${OLDEST_NODE} is needed. It comes with the package "node", whose install script ` +
      'must be allowed to run: remove node_modules and start again without --ignore-scripts.',
  );
}

/** Compiles what has changed since the last time; a moment when nothing has. */
export async function ensureBuilt() {
  const started = Date.now();
  const note = setTimeout(() => console.error('building ...'), 700);
  const tsc = spawn(join(bin, 'tsc'), ['-b', 'tsconfig.json'], {
    cwd: root,
    env: workspaceEnv(),
    stdio: 'inherit',
  });
  const code = await new Promise((resolve, reject) => tsc.once('error', reject).once('close', resolve));
  clearTimeout(note);
  if (code !== 0) throw new NotReady('the build has failed; the compiler messages are above');
  if (Date.now() - started > 700) console.error(`built in ${seconds(started)}`);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Runs a script's work; a NotReady is told in its own words and ends with exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof NotReady ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
}
