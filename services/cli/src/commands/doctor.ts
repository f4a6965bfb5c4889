import type { Command } from 'commander';
import { examine, type Finding } from '../examination.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { harmless } from '../rendering/harmless.ts';
import type { Session } from '../session.ts';
import type { Perform } from '../verb.ts';

export function doctorCommand(program: Command, perform: Perform): void {
  const command = program
    .command('doctor')
    .description(
      'Check what the CLI needs: the gateway, its parts, the key, the clocks; exit 1 when something fails',
    )
    .action(() => perform(command, doctor));
}

async function doctor(session: Session): Promise<ExitCode> {
  const { terminal, json } = session;
  let failed = false;
  for await (const finding of examine(session)) {
    failed ||= finding.level === 'fail';
    await terminal.answer(json ? JSON.stringify(finding) : line(session, finding));
  }
  return failed ? EXIT.error : EXIT.success;
}

function line({ terminal: { paint } }: Session, { level, check, detail }: Finding): string {
  const colour = { ok: paint.green, warn: paint.yellow, fail: paint.red }[level];
  return `${colour(level.padEnd(4))}  ${harmless(check).padEnd(16)}  ${harmless(detail)}`;
}
