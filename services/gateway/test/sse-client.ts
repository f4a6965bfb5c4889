import { get, type ClientRequest, type IncomingMessage } from 'node:http';
import { waitFor } from '@runledger/testkit';

/** An SSE reader of the specs, on the bare socket: it sees every byte, and can stop reading. */
export class SseClient {
  text = '';
  /** How the connection ended: `end` is orderly. */
  ended: 'end' | 'cut' | undefined;

  private constructor(
    private readonly request: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (this.text += chunk));
    response.on('end', () => (this.ended ??= 'end'));
    response.on('error', () => (this.ended ??= 'cut'));
    response.on('close', () => (this.ended ??= 'cut'));
  }

  static open(url: string, headers: Record<string, string>): Promise<SseClient> {
    return new Promise((resolve, reject) => {
      const request = get(url, { headers, agent: false }, (response) =>
        resolve(new SseClient(request, response)),
      );
      request.on('error', reject);
    });
  }

  get ids(): number[] {
    return [...this.text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
  }

  /** The `data:` of every whole frame. */
  get lines(): string[] {
    return [...this.text.matchAll(/^data: ([^\n]*)\n\n/gm)].map((match) => match[1] ?? '');
  }

  async until(condition: (client: SseClient) => boolean): Promise<void> {
    await waitFor(() => (condition(this) ? true : undefined), {
      describe: () => `${this.ended ?? 'open'}: ${this.text.slice(-300)}`,
    });
  }

  stopReading(): void {
    this.response.pause();
    this.response.socket.pause();
  }

  close(): void {
    this.request.destroy();
  }
}
