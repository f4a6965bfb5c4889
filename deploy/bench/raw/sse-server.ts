/** A bare SSE server: node:http and nothing else. Every open connection gets every frame. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface Emission {
  /** Frames in all. */
  count: number;
  /** Frames of one write. */
  batch: number;
  /** Between two writes; 0: as fast as the connections take them. */
  everyMs: number;
  /** Characters of the message of each event. */
  bytes: number;
}

export class BareSseServer {
  readonly #connections = new Set<ServerResponse>();
  readonly #server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write('retry: 1000\n\n');
    this.#connections.add(response);
    response.on('close', () => this.#connections.delete(response));
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sends the frames to everybody who is there now, then ends all connections. */
  async emit({ count, batch, everyMs, bytes }: Emission): Promise<void> {
    const from = performance.now();
    for (let seq = 1, turn = 1; seq <= count; seq += batch, turn += 1) {
      const text = framesOf(seq, Math.min(batch, count - seq + 1), bytes);
      const full = [...this.#connections].filter((response) => !response.write(text));
      if (everyMs > 0) await pause(Math.max(0, from + turn * everyMs - performance.now()));
      else await Promise.all(full.map(drained));
    }
    for (const response of this.#connections) response.end();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function framesOf(first: number, count: number, bytes: number): string {
  const at = new Date().toISOString();
  let text = '';
  for (let seq = first; seq < first + count; seq += 1) {
    const data = { index: seq, level: 'info', source: 'agent', message: `line ${seq} `.padEnd(bytes, '.') };
    const line = { seq, type: 'log.written', at, run_id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', attempt: 1, data };
    text += `id: ${seq}\nevent: log.written\ndata: ${JSON.stringify(line)}\n\n`;
  }
  return text;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    if (response.destroyed || !response.writableNeedDrain) done();
  });
}
