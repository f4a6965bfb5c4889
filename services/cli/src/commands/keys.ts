import type { ApiKey, NewApiKey } from '@runledger/client';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { positive, wholeNumber } from '../option-values.ts';
import { DASH } from '../rendering/fields.ts';
import { harmless, oneLine } from '../rendering/harmless.ts';
import { table } from '../rendering/run-table.ts';
import type { Session } from '../session.ts';
import { UsageError } from '../usage-error.ts';
import type { Perform } from '../verb.ts';

interface CreateFlags {
  scope: string[];
  workspace?: string[];
  agent?: string;
  user?: string;
  expires?: string;
  requestsPerMin?: number;
  maxStreams?: number;
}

interface RotateFlags {
  grace?: number;
  discard?: string;
}

export function keysCommand(program: Command, perform: Perform): void {
  const keys = program.command('keys').description('API keys: list, create, rotate, revoke');
  const list = keys
    .command('list')
    .description('List your keys; with the scope admin, those of the tenant')
    .option('--user <id>', 'only keys of this user')
    .action(() => perform<{ user?: string }>(list, listKeys));
  const create = keys
    .command('create')
    .description('Make a key and print it, this once; it can do no more than the key that makes it')
    .argument('<name>', 'for people')
    .requiredOption('--scope <scope...>', 'what it may do, e.g. runs:start runs:read')
    .option('--workspace <id...>', 'workspaces whose runs it may read')
    .option('--agent <id>', 'the one agent that it may start, and whose runs it may use')
    .option('--user <id>', 'whose key it is (needs the scope admin)')
    .option('--expires <when>', 'a time, or from now: 12h, 30d')
    .option('--requests-per-min <n>', 'most requests in a minute', positive)
    .option('--max-streams <n>', 'most streams open at once', positive)
    .action((name: string) =>
      perform<CreateFlags>(create, (session, flags) => createKey(session, name, flags)),
    );
  const rotate = keys
    .command('rotate')
    .description('Give a key a new secret and print it, this once; the old one still works for a day')
    .argument('<key>', 'id of the key')
    .option('--grace <s>', 'seconds for which the old secret still works, at most 604800', wholeNumber)
    .option('--discard <which>', 'previous or current: which ends now, when two secrets work already')
    .action((id: string) => perform<RotateFlags>(rotate, (session, flags) => rotateKey(session, id, flags)));
  const revoke = keys
    .command('revoke')
    .description('End a key, its sessions and its open streams')
    .argument('<key>', 'id of the key')
    .action((id: string) => perform(revoke, (session) => revokeKey(session, id)));
}

async function listKeys(
  { client, terminal, json, signal }: Session,
  flags: { user?: string },
): Promise<ExitCode> {
  const keys: ApiKey[] = [];
  for await (const key of client.keys.each({ user_id: flags.user }, { signal })) keys.push(key);
  const lines = json ? keys.map((key) => JSON.stringify(key)) : table(HEAD, keys.map(row));
  for (const line of lines) await terminal.answer(line);
  return EXIT.success;
}

const HEAD = ['KEY ID', 'STATUS', 'NAME', 'USER', 'AGENT', 'LAST USED', 'EXPIRES', 'SCOPES'];

const row = (key: ApiKey): string[] => [
  oneLine(key.key_id, 32),
  oneLine(key.status, 10),
  oneLine(key.name, 30),
  oneLine(key.user_id, 30),
  oneLine(key.agent_id ?? DASH, 30),
  oneLine(key.last_used_at ?? DASH, 30),
  oneLine(key.expires_at ?? DASH, 30),
  oneLine(key.scopes.join(' '), 200),
];

async function createKey(session: Session, name: string, flags: CreateFlags): Promise<ExitCode> {
  const request = {
    name,
    scopes: flags.scope.flatMap((scope) => scope.split(',')),
    workspace_ids: flags.workspace,
    agent_id: flags.agent,
    user_id: flags.user,
    expires_at: flags.expires === undefined ? undefined : timeOf(flags.expires, Date.now()),
    requests_per_min: flags.requestsPerMin,
    max_streams: flags.maxStreams,
  };
  return show(session, await session.client.keys.create(request, { signal: session.signal }));
}

async function rotateKey(session: Session, id: string, { grace, discard }: RotateFlags): Promise<ExitCode> {
  if (discard !== undefined && discard !== 'previous' && discard !== 'current')
    throw new UsageError(`--discard is previous or current, not ${harmless(discard)}`);
  const request = { grace_s: grace, discard } as const;
  const key = await session.client.keys.rotate(id, request, { signal: session.signal });
  if (key.previous_secret_until)
    session.terminal.talk(`The old secret works until ${harmless(key.previous_secret_until)}.`);
  return show(session, key);
}

/** stdout is the key alone, so that it can go into a file or a variable. */
async function show({ terminal, json }: Session, key: NewApiKey): Promise<ExitCode> {
  terminal.talk(`Key ${harmless(key.key_id)} of ${harmless(key.user_id)}. It is not shown again.`);
  await terminal.answer(json ? JSON.stringify(key) : harmless(key.api_key));
  return EXIT.success;
}

async function revokeKey({ client, terminal, json, signal }: Session, id: string): Promise<ExitCode> {
  await client.keys.revoke(id, { signal });
  await terminal.answer(
    json
      ? JSON.stringify({ key_id: id, status: 'revoked' })
      : `Revoked ${harmless(id)}, everywhere within 5 seconds.`,
  );
  return EXIT.success;
}

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d` from now, or a time of its own. */
function timeOf(text: string, now: number): string {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const at = count === undefined ? Date.parse(text) : now + Number(count) * (UNIT_MS[unit] ?? 0);
  if (Number.isNaN(at))
    throw new UsageError(`--expires: ${harmless(text)} is neither a time nor like 12h or 30d`);
  return new Date(at).toISOString();
}
