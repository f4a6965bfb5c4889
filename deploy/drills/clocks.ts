import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@runledger/testkit';
import type { Cleanup } from './cleanup.ts';

const PRELOAD = join(import.meta.dirname, 'skewed-clock.mjs');

/** Wall clocks of service processes that are wrong, each in its own way, and may jump. */
export class Clocks {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(cleanup: Cleanup): Promise<Clocks> {
    const folder = await temporaryFolder('runledger-drill-clocks-');
    cleanup.add('clocks', () => folder.remove());
    return new Clocks(folder.path);
  }

  /** What a process is started with to have a clock of its own. */
  envOf(name: string): Record<string, string> {
    return { NODE_OPTIONS: `--import=${PRELOAD}`, DRILL_CLOCK_FILE: this.#fileOf(name) };
  }

  /** From now on this clock is so far off. */
  async set(name: string, offsetMs: number): Promise<void> {
    const file = this.#fileOf(name);
    await writeFile(`${file}.new`, String(offsetMs));
    await rename(`${file}.new`, file);
  }

  #fileOf(name: string): string {
    return join(this.#folder, name);
  }
}
