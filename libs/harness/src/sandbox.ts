/**
 * Owns: what a program may see of the machine. bubblewrap gives it a root of its own: the system's programs and libraries
 * to read, its folder to write, no process but its own, and no network unless it is wanted.
 */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Sandbox {
  /** Whether the machine's network can be reached. */
  network: boolean;
  /** What may be read besides the system's own folders. */
  read: readonly string[];
}

/** What programs of the system need; that which is not there is left out. */
const SYSTEM = [
  ...['/usr', '/bin', '/sbin', '/lib', '/lib64'],
  ...['alternatives', 'ssl', 'ca-certificates', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'localtime'].map(
    etc,
  ),
  ...['resolv.conf', 'hosts', 'nsswitch.conf', 'passwd', 'group', 'services', 'protocols'].map(etc),
];

/** This package, where the host of `code` agents is, and the Node that runs it. */
const OWN = [fileURLToPath(new URL('..', import.meta.url)), dirname(process.execPath)];

/** Memory that is written as files: 64 MiB of it. */
const SMALL = ['--size', String(64 * 1024 * 1024), '--tmpfs'];

/** Behind the executor, and first to go when memory is short: for bubblewrap and all that it starts. */
const GIVE_WAY = 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec nice -n 5 "$@"';

/** The command that runs `command` in a sandbox whose folder is `folder`. It ends with all of its processes. */
export function sandboxed(command: readonly string[], folder: string, { network, read }: Sandbox): string[] {
  return [
    ...['/bin/sh', '-c', GIVE_WAY, 'sh'],
    ...[
      'bwrap',
      '--unshare-all',
      ...(network ? ['--share-net'] : []),
      '--die-with-parent',
      '--cap-drop',
      'ALL',
    ],
    ...['--proc', '/proc', '--dev', '/dev', ...SMALL, '/tmp', ...SMALL, '/dev/shm', '--remount-ro', '/dev'],
    ...[...SYSTEM, ...OWN, ...read].flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--bind', folder, folder, '--remount-ro', '/', '--chdir', folder, '--', ...command],
  ];
}

/** Why there is no sandbox on this machine; undefined when there is one. */
export function whySandboxFails(sandbox: Sandbox, env = process.env): string | undefined {
  const [program = '', ...args] = sandboxed(['true'], '/tmp', sandbox);
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8', env, timeout: 10_000 });
  if (error) return error.message;
  return status === 0 ? undefined : stderr.trim() || `bwrap ended with ${status ?? 'a signal'}`;
}

function etc(name: string): string {
  return `/etc/${name}`;
}
