import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { MongoBinary, MongoStep } from './mongo-step.ts';
import { oneLine, runCommand } from './run-command.ts';

/** The oldest release that the driver still speaks to. */
const FLOOR = 4.2;

/** The first mongod on PATH that runs and is recent enough. */
export const mongodOnPath: MongoStep = {
  does: 'looking for a mongod on PATH',
  async find({ env }) {
    const reasons: string[] = [];
    for (const folder of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
      const path = join(folder, 'mongod');
      const executable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (!executable) continue;
      try {
        return { binary: await acceptedMongod(path) };
      } catch (error) {
        reasons.push(oneLine(error));
      }
    }
    throw new Error(reasons.length > 0 ? reasons.join(', ') : 'PATH has no mongod');
  },
};

/** @throws Error in one line when it does not run here or is too old. */
export async function acceptedMongod(path: string): Promise<MongoBinary> {
  const answer = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  const version = /db version v(\d+\.\d+\.\d+\S*)/.exec(answer)?.[1];
  if (version === undefined) throw new Error(`${path} does not answer like a mongod`);
  if (Number.parseFloat(version) < FLOOR)
    throw new Error(`${path} is version ${version}, and ${FLOOR} is the oldest that will do`);
  return { path, version, kind: 'mongod' };
}
