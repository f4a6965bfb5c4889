import type { NatsConnection } from '@nats-io/transport-node';

/** Whether a connection is up right now. Starts from "up": a connection is only handed out when it is. */
export class ConnectionWatch {
  connected = true;
  private readonly listeners = new Set<(connected: boolean) => void>();

  constructor(private readonly nc: NatsConnection) {
    this.connected = !nc.isClosed();
    void this.follow();
  }

  /** Called at every change; the returned function ends that. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves when the connection is up, or when `signal` is aborted. */
  async whenConnected(signal: AbortSignal): Promise<void> {
    if (this.connected || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = this.onChange((connected) => connected && resolve());
    const aborted = (): void => resolve();
    signal.addEventListener('abort', aborted, { once: true });
    await promise;
    forget();
    signal.removeEventListener('abort', aborted);
  }

  private async follow(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') this.change(false);
      else if (status.type === 'reconnect') this.change(true);
      else if (status.type === 'close') break;
    }
    this.change(false);
  }

  private change(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    for (const listener of this.listeners) listener(connected);
  }
}
