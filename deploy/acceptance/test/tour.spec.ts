import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort, temporaryFolder, waitFor, type TemporaryFolder } from '@runledger/testkit';
import { ROOT } from './service-process.ts';
import { Terminal } from './terminal.ts';
import { isAsShown, stepsOf, type TourStep } from './tour-page.ts';

/** The tour of the README, typed line by line into real shells, on a data folder and a port of its own. */
describe('the tour of the README', () => {
  let home: TemporaryFolder;
  let env: NodeJS.ProcessEnv;
  let first: Terminal;
  let start: TourStep;
  let steps: TourStep[];

  beforeAll(async () => {
    [start, ...steps] = stepsOf(await readFile(join(ROOT, 'README.md'), 'utf8'), 'A first run') as [
      TourStep,
      ...TourStep[],
    ];
    home = await temporaryFolder();
    env = { ...process.env, RUNLEDGER_HOME: home.path, RUNLEDGER_PORT: String(await freePort()) };
    for (const name of ['RUNLEDGER_URL', 'RUNLEDGER_API_KEY', 'RUNLEDGER_NATS_URL', 'RUNLEDGER_LOG'])
      delete env[name];
    first = new Terminal(env);
  });
  afterAll(async () => {
    await first.signal('SIGKILL');
    await home.remove();
  });

  it('does what it says', async () => {
    expect(start.commands).toEqual(['npm start']);
    first.leave('npm start');
    const shown = start.shown ?? '';
    await waitFor(() => first.closed || isAsShown(first.output, shown), {
      timeoutMs: 90_000,
      describe: () => `npm start to show what the page shows: ${first.output.slice(-2_000)}`,
    });
    if (first.closed) throw new Error(`npm start has ended: ${first.output.slice(-2_000)}`);
    expect(steps.length).toBeGreaterThan(5);
    let heading = '';
    let terminal = new Terminal(env);
    try {
      for (const step of steps) {
        if (step.heading !== heading) {
          await terminal.close();
          terminal = new Terminal(env);
          heading = step.heading;
        }
        await walk(terminal, step);
      }
    } finally {
      await terminal.signal('SIGKILL');
    }
    await first.signal('SIGINT');
    expect(first.output).toContain('runledger: stopping');
    expect(first.output).not.toContain('not orderly');
  }, 180_000);
});

async function walk(terminal: Terminal, { commands, shown }: TourStep): Promise<void> {
  let output = '';
  for (const command of commands) {
    const done = await terminal.type(command);
    if (done.exit !== 0) throw new Error(`"${command}" ended with ${done.exit}: ${done.output}`);
    output += done.output;
    if (output !== '' && !output.endsWith('\n')) output += '\n';
  }
  if (shown !== undefined && !isAsShown(output, shown))
    throw new Error(`${commands.join('\n')}\nprinted\n${output}\nand the page shows\n${shown}`);
}

describe('what the page shows', () => {
  it('is compared line by line; what differs from run to run may differ, and nothing else', () => {
    const shown =
      'Run 01M7Z1VE7EGQNDHFTSQJDGNKHM — STOPPED (6s total)\n…\n[12:38:43] ★ tick 1: 1 of 40 (a.b)';
    const ulid = '01M7Z29MSJ6Z6SPW1AF42HZ71W';
    expect(
      isAsShown(`Run ${ulid} — STOPPED (1m 2s total)\n[00:00:00] ★ tick 1: 1 of 40 (a.b)\n`, shown),
    ).toBe(true);
    expect(
      isAsShown(`Run ${ulid} — STOPPED (2s total)\nx\ny\n[00:00:00] ★ tick 1: 1 of 40 (a.b)`, shown),
    ).toBe(true);
    expect(isAsShown(`Run ${ulid} — RUNNING (2s total)\n[00:00:00] ★ tick 1: 1 of 40 (a.b)`, shown)).toBe(
      false,
    );
    expect(isAsShown(`Run ${ulid} — STOPPED (2s total)\n[00:00:00] ★ tick 1: 1 of 40 (a-b)`, shown)).toBe(
      false,
    );
    expect(
      isAsShown(`Run ${ulid} — STOPPED (2s total)\n[00:00:00] ★ tick 1: 1 of 40 (a.b)\nmore`, shown),
    ).toBe(false);
  });

  it('belongs to the commands before it', () => {
    const page =
      '# P\n\n## Other\n```sh\nno\n```\n\n## Tour\n```sh\na\nb\n```\ntext\n```text\nout\n```\n### Next\n```sh\nc\n```\n## End\n```sh\nno\n```\n';
    expect(stepsOf(page, 'Tour')).toEqual([
      { heading: 'Tour', commands: ['a', 'b'], shown: 'out' },
      { heading: 'Next', commands: ['c'], shown: undefined },
    ]);
  });
});
