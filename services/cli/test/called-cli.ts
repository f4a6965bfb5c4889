import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { PlayedGateway } from '../../../libs/client/test/played-gateway.ts';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Called {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  exit: Promise<number | null>;
}

interface More {
  env?: NodeJS.ProcessEnv;
  stdin?: string;
}

/** The built CLI as a process of its own, talking to this gateway. */
export function callCli(gateway: PlayedGateway, args: string[], more: More = {}): Called {
  const env = {
    PATH: process.env.PATH,
    RUNLEDGER_URL: gateway.url,
    RUNLEDGER_API_KEY: gateway.key,
    ...more.env,
  };
  const child = spawn(process.execPath, [MAIN, ...args], { env, cwd: tmpdir(), stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
  child.stdin.end(more.stdin ?? '');
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { child, stdout: () => out, stderr: () => err, exit };
}

export async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 15_000; !condition();) {
    if (Date.now() > deadline) throw new Error('waited 15 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
