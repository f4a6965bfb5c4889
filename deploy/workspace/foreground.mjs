// Runs a program of the workspace in the foreground, as if it had been started itself.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { node, root, workspaceEnv } from './ready.mjs';

/**
 * Starts the script on the workspace's Node in our process group and ends as it ends. We never end first: the program
 * decides how long its orderly end takes. From a terminal, Ctrl-C reaches it without us; elsewhere we pass signals on.
 */
export async function foreground(script, args = [], env = {}) {
  const child = spawn(node, ['--enable-source-maps', script, ...args], {
    cwd: root,
    env: workspaceEnv(env),
    stdio: 'inherit',
  });
  const passOn = (signal) => child.kill(signal);
  process.on('SIGINT', () => process.stdin.isTTY || passOn('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, passOn);
  const [code, signal] = await new Promise((resolve, reject) =>
    child.once('error', reject).once('exit', (...end) => resolve(end)),
  );
  process.exit(code ?? 128 + constants.signals[signal]);
}
