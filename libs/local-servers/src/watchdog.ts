import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

export interface Watchdog {
  /** Ends the watch; the watched process lives on. */
  dismiss(): void;
}

/**
 * Sees to it that process `pid` ends when this process does, however this process ends (kill -9 included), and that
 * `folder` is removed then, when one is given. A shell in a session of its own waits on a pipe that only we hold: the
 * kernel closes it with us, so nothing is polled and no signal has to reach anybody.
 */
export function tieToThisProcess(pid: number, folder?: string): Watchdog {
  const script = 'read -r _; kill -9 "$1" 2>/dev/null; [ -n "$2" ] && rm -rf "$2"';
  const shell = spawn('/bin/sh', ['-c', script, 'runledger-watchdog', String(pid), folder ?? ''], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => undefined);
  shell.unref();
  const pipe = shell.stdin;
  pipe.on('error', () => undefined);
  if (pipe instanceof Socket) pipe.unref();
  return { dismiss: () => void shell.kill('SIGKILL') };
}
