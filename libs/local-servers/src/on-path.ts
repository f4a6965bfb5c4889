import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { BrokerStep } from './broker-step.ts';
import { oneLine } from './run-command.ts';
import { accepted } from './version.ts';

/** The first nats-server on PATH that is at or above the floor; an older one before it is passed over. */
export const onPath: BrokerStep = {
  does: 'looking for a nats-server on PATH',
  async find({ env }) {
    const reasons: string[] = [];
    for (const folder of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
      const candidate = join(folder, 'nats-server');
      if (!(await isExecutable(candidate))) continue;
      try {
        return await accepted(candidate);
      } catch (error) {
        reasons.push(oneLine(error));
      }
    }
    throw new Error(reasons.length > 0 ? reasons.join(', ') : 'PATH has no nats-server');
  },
};

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
