import { AgentProcess, codeHostCommand, type GroupLimits, type Sandbox } from '@runledger/harness';

/**
 * Hosts of `code` agents that are started ahead, because starting one takes longer than most calls. Each is used for
 * one attempt and then gone.
 */
export class WarmPool {
  #ready: Promise<AgentProcess>[] = [];
  #closed = false;

  constructor(
    private readonly size: number,
    private readonly limits: GroupLimits,
    private readonly sandbox: Sandbox | undefined,
  ) {}

  /** A host that waits for its start frame. */
  async take(): Promise<AgentProcess> {
    const ready = await this.#ready.shift();
    this.#refill();
    if (ready?.alive) return ready;
    return this.#start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const child of await Promise.allSettled(this.#ready)) {
      if (child.status !== 'fulfilled') continue;
      child.value.kill();
      await child.value.exited;
    }
  }

  #refill(): void {
    while (!this.#closed && this.#ready.length < this.size) {
      const child = this.#start();
      child.catch(() => undefined);
      this.#ready.push(child);
    }
  }

  /** Half of the memory is for values of the program: what it keeps beside them must find room too. */
  #start(): Promise<AgentProcess> {
    const heapMib = Math.floor(this.limits.bytes / 2 ** 21);
    const { limits, sandbox } = this;
    return AgentProcess.start({ command: codeHostCommand(heapMib), env: {}, limits, sandbox });
  }
}
