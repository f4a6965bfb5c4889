import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@runledger/testkit';
import { command } from './command.ts';

const MIB = 1024 * 1024;

/** An ext4 file system of its own in a file, mounted: a disk that can be full, or be copied as it is at one moment. */
export class LoopDisk {
  readonly #folder: TemporaryFolder;
  #mounted = false;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  /** Where it is mounted. Absolute. */
  get path(): string {
    return join(this.#folder.path, 'disk');
  }

  get #file(): string {
    return join(this.#folder.path, 'disk.img');
  }

  static async make(sizeMib: number): Promise<LoopDisk> {
    const disk = new LoopDisk(await temporaryFolder('runledger-disk-'));
    try {
      await writeFile(disk.#file, '');
      await truncate(disk.#file, sizeMib * MIB);
      await command('mkfs.ext4', '-q', '-F', '-m', '0', disk.#file);
      await disk.#mount();
      return disk;
    } catch (error) {
      await disk.remove();
      throw error;
    }
  }

  /**
   * What a power cut would leave: the file as it is on disk now, mounted as a second disk. Whatever the file system
   * still has in memory only is not in it.
   */
  async asAfterPowerCut(): Promise<LoopDisk> {
    const copy = new LoopDisk(await temporaryFolder('runledger-disk-'));
    try {
      await command('cp', '--sparse=always', this.#file, copy.#file);
      await copy.#mount();
      return copy;
    } catch (error) {
      await copy.remove();
      throw error;
    }
  }

  async remove(): Promise<void> {
    if (this.#mounted) await command('umount', this.path);
    this.#mounted = false;
    await this.#folder.remove();
    await rm(this.#folder.path, { recursive: true, force: true });
  }

  async #mount(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await command('mount', '-o', 'loop', this.#file, this.path);
    this.#mounted = true;
  }
}
