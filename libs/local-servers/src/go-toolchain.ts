import { join } from 'node:path';
import { keep } from './broker-cache.ts';
import type { BrokerStep } from './broker-step.ts';
import { runCommand } from './run-command.ts';
import { BROKER_PINNED } from './version.ts';

const MODULE = `github.com/nats-io/nats-server/v2`;

/** Builds the pinned version from source; Go checks what it fetches against its checksum database. */
export const goToolchain: BrokerStep = {
  does: `building version ${BROKER_PINNED} with a Go toolchain (takes a minute or more)`,
  async find(search) {
    await runCommand('go', ['version'], { timeoutMs: 10_000, env: search.env });
    return keep(search.cacheDir, async (workshop) => {
      const env = { ...search.env, GOBIN: workshop, GOFLAGS: '-trimpath' };
      // A look at the version first: it is small, so that a missing network shows at once.
      const look = ['list', '-m', `${MODULE}@v${BROKER_PINNED}`];
      await runCommand('go', look, { timeoutMs: search.patienceMs, env, cwd: workshop });
      const build = ['install', `${MODULE}@v${BROKER_PINNED}`];
      await runCommand('go', build, { timeoutMs: 900_000, env, cwd: workshop });
      return join(workshop, 'nats-server');
    });
  },
};
