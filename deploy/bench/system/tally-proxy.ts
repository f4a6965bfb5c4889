/** Stands between the services and the broker and counts what they ask of it, by kind and by connection. */
import { createConnection, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

const CRLF = Buffer.from('\r\n');

export interface TallyProxy {
  url: string;
  /** `<service> <what>` → how often, since the last `clear`. */
  counts: Map<string, number>;
  clear(): void;
  close(): void;
}

export async function startTallyProxy(brokerPort: number): Promise<TallyProxy> {
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const broker = createConnection({ port: brokerPort, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    const teller = new ProtocolReader((what) => counts.set(what, (counts.get(what) ?? 0) + 1));
    client.on('data', (chunk: Buffer) => {
      teller.take(chunk);
      broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => client.write(chunk));
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        sockets.delete(socket);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    clear: () => counts.clear(),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** What a client says, message by message. */
class ProtocolReader {
  readonly #count: (what: string) => void;
  #name = 'unknown';
  #rest: Buffer = Buffer.alloc(0);

  constructor(count: (what: string) => void) {
    this.#count = count;
  }

  take(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let used = this.#one(data); used > 0; used = this.#one(data)) data = data.subarray(used);
    this.#rest = data;
  }

  /** Bytes of the first operation; 0 when it is not whole yet. */
  #one(data: Buffer): number {
    const end = data.indexOf(CRLF);
    if (end === -1) return 0;
    const [verb = '', ...words] = data.subarray(0, end).toString('latin1').split(' ');
    const op = verb.toUpperCase();
    const payload = op === 'PUB' || op === 'HPUB' ? Number(words.at(-1)) : undefined;
    const whole = end + 2 + (payload === undefined ? 0 : payload + 2);
    if (data.length < whole) return 0;
    if (op === 'CONNECT') this.#name = nameIn(words.join(' '));
    else if (payload !== undefined)
      this.#count(`${this.#name} ${kindOf(words[0] ?? '', data.subarray(end + 2, whole - 2))}`);
    else if (op === 'SUB' || op === 'UNSUB')
      this.#count(`${this.#name} ${op} ${op === 'SUB' ? plain(words[0] ?? '') : ''}`.trim());
    return whole;
  }
}

/** The service in the connection's name, without its instance. */
function nameIn(options: string): string {
  const { name = 'unknown' } = JSON.parse(options) as { name?: string };
  return name.split('/')[0] ?? name;
}

function kindOf(subject: string, payload: Buffer): string {
  const kind = plain(subject);
  if (!kind.startsWith('$JS.API.STREAM.MSG.GET')) return kind;
  const query = payload.toString('utf8');
  return `${kind} ${query.includes('last_by_subj') ? 'last' : query.includes('next_by_subj') ? 'next' : 'by sequence'}`;
}

/** A subject without what differs from run to run. */
function plain(subject: string): string {
  const tokens = subject.split('.');
  const [first = '', second = ''] = tokens;
  if (first === '$JS' && second === 'ACK') return '$JS.ACK';
  if (first === '$JS') return subject;
  if (first === '$KV') return `$KV.${second}`;
  if (first.startsWith('_INBOX')) return '_INBOX';
  return first === 'live' ? 'live.runs' : first;
}
