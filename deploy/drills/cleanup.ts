/** What a drill has made and must take away again, last made first, whatever happens to the drill. */
export class Cleanup {
  readonly #steps: { what: string; undo: () => unknown }[] = [];
  #running: Promise<void> | undefined;

  add(what: string, undo: () => unknown): void {
    this.#steps.push({ what, undo });
    // Made while everything is being taken away: it goes too.
    if (this.#running) this.#running = this.#running.then(() => this.#all());
  }

  /** Takes everything away. A step that fails is told and does not keep the others from being done. */
  run(): Promise<void> {
    this.#running ??= this.#all();
    return this.#running;
  }

  async #all(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        console.error(`left behind: ${step.what}: ${String(error)}`);
      }
    }
  }
}
