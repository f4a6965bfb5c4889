/** One unit of the NATS protocol, in either direction. `bytes` is all of it as it came. */
export interface Frame {
  /** In capitals: `INFO`, `MSG`, `HMSG`, `PUB`, `HPUB`, `PING` ... */
  verb: string;
  args: string[];
  /** The header block of HMSG and HPUB as text, else empty. */
  headers: string;
  payload: Buffer;
  bytes: Buffer;
}

const WITH_PAYLOAD = new Set(['MSG', 'HMSG', 'PUB', 'HPUB']);
const WITH_HEADERS = new Set(['HMSG', 'HPUB']);
const END = '\r\n';

/** Cuts a stream of bytes into frames, wherever the chunks end. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole now. */
  push(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    const lineEnd = this.#rest.indexOf(END);
    if (lineEnd < 0) return undefined;
    const [verb = '', ...args] = this.#rest.toString('latin1', 0, lineEnd).split(/[ \t]+/);
    const name = verb.toUpperCase();
    const body = lineEnd + END.length;
    const size = WITH_PAYLOAD.has(name) ? Number(args.at(-1)) : 0;
    const end = WITH_PAYLOAD.has(name) ? body + size + END.length : body;
    if (this.#rest.length < end) return undefined;
    const headerSize = WITH_HEADERS.has(name) ? Number(args.at(-2)) : 0;
    const frame: Frame = {
      verb: name,
      args,
      headers: this.#rest.toString('utf8', body, body + headerSize),
      payload: this.#rest.subarray(body + headerSize, body + size),
      bytes: this.#rest.subarray(0, end),
    };
    this.#rest = this.#rest.subarray(end);
    return frame;
  }
}

/** The value of a header, or the empty string. */
export function headerOf(frame: Frame, name: string): string {
  const prefix = `${name.toLowerCase()}:`;
  const line = frame.headers.split(END).find((one) => one.toLowerCase().startsWith(prefix));
  return line?.slice(prefix.length).trim() ?? '';
}

/** What a client is answered for a publish to a stream. */
export interface PublishAnswer {
  stream: string;
  /** 0 when it was refused. */
  seq: number;
  /** The broker's code of the refusal; 0: it is stored. */
  err_code: number;
}

/** Undefined when the frame is anything else. */
export function publishAnswer(frame: Frame): PublishAnswer | undefined {
  const answer = jsonOf(frame);
  if (answer === undefined || 'type' in answer || typeof answer['stream'] !== 'string') return undefined;
  const error = answer['error'] as { err_code?: number } | undefined;
  return { stream: answer['stream'], seq: Number(answer['seq'] ?? 0), err_code: error?.err_code ?? 0 };
}

/**
 * Whether the frame answers a question for one stored commit: asked of the stream's leader, or, where there is but one
 * server, of whoever has it. Pages, which say how much is to come, are none.
 */
export function isLeaderRead(frame: Frame): boolean {
  if (frame.verb === 'HMSG' && headerOf(frame, 'Nats-Stream') === 'RUNS')
    return headerOf(frame, 'Nats-Num-Pending') === '';
  return jsonOf(frame)?.['type'] === 'io.nats.jetstream.api.v1.stream_msg_get_response';
}

function jsonOf(frame: Frame): Record<string, unknown> | undefined {
  if (frame.verb !== 'MSG' && frame.verb !== 'HMSG') return undefined;
  if (frame.payload.length === 0 || frame.payload[0] !== 0x7b) return undefined;
  try {
    return JSON.parse(frame.payload.toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
