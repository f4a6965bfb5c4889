import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, waitFor } from '@runledger/testkit';
import type { Cleanup } from './cleanup.ts';

/** The world that tools act on: a file in which every effect leaves a line with its idempotency key. */
export class EffectsFile {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(cleanup: Cleanup): Promise<EffectsFile> {
    const folder = await temporaryFolder('runledger-drill-effects-');
    cleanup.add('effects', () => folder.remove());
    return new EffectsFile(join(folder.path, 'effects'));
  }

  /** Keys in the order in which they took effect: `<run>/<call>`. */
  async read(): Promise<string[]> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  async has(key: string): Promise<boolean> {
    return (await this.read()).includes(key);
  }

  /** Resolves when a call of this run has taken effect. */
  async took(runId: string): Promise<void> {
    await waitFor(async () => (await this.read()).some((key) => key.startsWith(`${runId}/`)), {
      timeoutMs: 60_000,
      everyMs: 2,
      describe: `an effect of run ${runId}`,
    });
  }
}
