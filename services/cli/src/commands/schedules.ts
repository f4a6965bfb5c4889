import { newIdempotencyKey, type Schedule, type ScheduleSummary } from '@runledger/client';
import { type Command, Option } from 'commander';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { keyValue } from '../option-values.ts';
import { DASH, jsonText } from '../rendering/fields.ts';
import { harmless, oneLine } from '../rendering/harmless.ts';
import { table } from '../rendering/run-table.ts';
import type { Session } from '../session.ts';
import { startRequest } from '../start-request.ts';
import type { Perform } from '../verb.ts';

interface CreateFlags {
  cron: string;
  timeZone?: string;
  i?: Record<string, string>;
  input?: string;
  label?: Record<string, string>;
  overlap?: 'skip' | 'allow';
  missed?: 'run_once' | 'skip';
  paused?: boolean;
  idempotencyKey?: string;
}

export function schedulesCommand(program: Command, perform: Perform): void {
  const schedules = program
    .command('schedules')
    .description('Times at which runs start: list, create, show, pause, resume, delete');
  const list = schedules
    .command('list')
    .description('List your schedules; with the scope admin, those of the tenant')
    .option('--agent <id>', 'only schedules of this agent')
    .action(() => perform<{ agent?: string }>(list, listSchedules));
  createCommand(schedules, perform);
  const show = schedules
    .command('show')
    .description('Show a schedule, when it is due next, and what became of the last time')
    .argument('<schedule>', 'id of the schedule')
    .action((id: string) =>
      perform(show, async (session) =>
        tell(session, await session.client.schedules.get(id, { signal: session.signal })),
      ),
    );
  for (const [verb, enabled, description] of [
    ['pause', false, 'Let a schedule start no runs until it is resumed'],
    ['resume', true, 'Let a paused schedule go on; the times in between start nothing'],
  ] as const) {
    const command = schedules
      .command(verb)
      .description(description)
      .argument('<schedule>', 'id of the schedule')
      .action((id: string) =>
        perform(command, async (session) =>
          tell(session, await session.client.schedules.change(id, { enabled }, { signal: session.signal })),
        ),
      );
  }
  const remove = schedules
    .command('delete')
    .description('Delete a schedule; the runs that it started stay')
    .argument('<schedule>', 'id of the schedule')
    .action((id: string) => perform(remove, (session) => deleteSchedule(session, id)));
}

function createCommand(schedules: Command, perform: Perform): void {
  const create = schedules
    .command('create')
    .description('Make a schedule and print its id')
    .argument('<agent>', 'id of the agent')
    .requiredOption(
      '--cron <expression>',
      'minute, hour, day of month, month, day of week: "30 6 * * mon-fri"',
    )
    .option('--time-zone <zone>', 'like Europe/Berlin; default UTC')
    .option('-i <k=v>', 'one key of the input of every run, repeatable', keyValue)
    .option('--input <file>', 'the whole input as JSON, from a file or - for standard input')
    .option('--label <k=v>', 'a label of every run, repeatable', keyValue)
    .addOption(
      new Option('--overlap <how>', 'while the last run has not ended (default skip)').choices([
        'skip',
        'allow',
      ]),
    )
    .addOption(
      new Option('--missed <how>', 'for times that nothing could start runs at (default run_once)').choices([
        'run_once',
        'skip',
      ]),
    )
    .option('--paused', 'it starts nothing until it is resumed')
    .option(
      '--idempotency-key <key>',
      'the same key and request make one schedule, however often they are sent',
    )
    .action((agent: string) =>
      perform<CreateFlags>(create, (session, flags) => createSchedule(session, agent, flags)),
    );
}

async function createSchedule(session: Session, agent: string, flags: CreateFlags): Promise<ExitCode> {
  const { client, terminal, json, signal } = session;
  const start = await startRequest(agent, flags, () => terminal.readInput());
  const request = {
    agent_id: agent,
    input: start.input,
    labels: start.labels,
    cron: flags.cron,
    time_zone: flags.timeZone,
    overlap: flags.overlap,
    missed: flags.missed,
    ...(flags.paused ? { enabled: false } : {}),
  };
  const idempotencyKey = flags.idempotencyKey ?? newIdempotencyKey();
  const schedule = await client.schedules.create(request, { idempotencyKey, signal });
  terminal.talk(schedule.enabled ? `Due first at ${time(schedule.next_due_at)}.` : 'It is paused.');
  await terminal.answer(json ? JSON.stringify(schedule) : harmless(schedule.schedule_id));
  return EXIT.success;
}

async function listSchedules(
  { client, terminal, json, signal }: Session,
  flags: { agent?: string },
): Promise<ExitCode> {
  const found: ScheduleSummary[] = [];
  for await (const schedule of client.schedules.each({ agent_id: flags.agent }, { signal }))
    found.push(schedule);
  const lines = json ? found.map((schedule) => JSON.stringify(schedule)) : table(HEAD, found.map(row));
  for (const line of lines) await terminal.answer(line);
  return EXIT.success;
}

const HEAD = ['SCHEDULE ID', 'AGENT', 'CRON', 'TIME ZONE', 'NEXT', 'LAST', 'OUTCOME'];

const row = (schedule: ScheduleSummary): string[] => [
  oneLine(schedule.schedule_id, 32),
  oneLine(schedule.agent_id, 64),
  oneLine(schedule.cron, 40),
  oneLine(schedule.time_zone, 40),
  schedule.enabled ? time(schedule.next_due_at) : 'paused',
  time(schedule.last?.due_at),
  oneLine(schedule.last?.outcome ?? DASH, 20),
];

async function tell({ terminal, json }: Session, schedule: Schedule): Promise<ExitCode> {
  const lines: [string, string][] = [
    ['schedule', oneLine(schedule.schedule_id, 32)],
    ['agent', oneLine(schedule.agent_id, 64)],
    ['user', oneLine(schedule.user_id, 64)],
    ['cron', `${oneLine(schedule.cron, 200)} (${oneLine(schedule.time_zone, 100)})`],
    ['next', schedule.enabled ? time(schedule.next_due_at) : 'paused'],
    ['last', schedule.last ? `${time(schedule.last.due_at)} ${oneLine(schedule.last.outcome, 40)}` : DASH],
    ['last run', oneLine(schedule.last_run_id ?? DASH, 64)],
    ['overlap', oneLine(schedule.overlap, 20)],
    ['missed', oneLine(schedule.missed, 20)],
    ['labels', jsonText(schedule.labels)],
    ['input', jsonText(schedule.input)],
  ];
  if (json) await terminal.answer(JSON.stringify(schedule));
  else for (const [name, value] of lines) await terminal.answer(`${name.padEnd(8)}  ${value}`);
  return EXIT.success;
}

async function deleteSchedule({ client, terminal, json, signal }: Session, id: string): Promise<ExitCode> {
  await client.schedules.delete(id, { signal });
  const deleted = { schedule_id: id, status: 'deleted' };
  await terminal.answer(json ? JSON.stringify(deleted) : `Deleted ${harmless(id)}; its runs stay.`);
  return EXIT.success;
}

/** To the second. */
const time = (at: string | null | undefined): string => (at ? oneLine(at.replace(/\.\d+Z$/, 'Z'), 30) : DASH);
