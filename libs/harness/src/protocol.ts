/**
 * The harness protocol: one JSON object per line, LF only, UTF-8. Down (to the agent) on its stdin, up on its stdout.
 * The parser is strict: an agent that breaks the protocol fails, it is not guessed at.
 */
import { MAX_FRAME_BYTES } from './frame-size.ts';
import type { JsonValue } from './port.ts';

export const PROTOCOL_VERSION = 1;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const SOURCES = ['agent', 'stdout', 'stderr'] as const;
const METHODS = ['model', 'tool', 'step', 'step_done', 'data', 'agent', 'now', 'random'] as const;

export interface StartFrame {
  type: 'start';
  protocol: number;
  run_id: string;
  attempt: number;
  agent_id: string;
  input: JsonValue;
  env: Record<string, string>;
  /** The module's source, for the host of `code` agents. */
  code?: string;
}

export type DownFrame =
  | StartFrame
  | { type: 'reply'; id: string; ok: true; value: JsonValue }
  | { type: 'reply'; id: string; ok: false; error: { code: string; message: string } }
  | { type: 'stop'; mode: 'cooperative' | 'kill'; reason: string }
  | { type: 'nudge'; nudge_id: string; message: string };

export type CallMethod = (typeof METHODS)[number];

export type UpFrame =
  | { type: 'event'; event: 'milestone'; name: string; detail: string }
  | {
      type: 'event';
      event: 'log';
      level: (typeof LEVELS)[number];
      source: (typeof SOURCES)[number];
      message: string;
    }
  | { type: 'call'; id: string; method: CallMethod; params: { [key: string]: JsonValue } }
  | { type: 'result'; ok: true; value: JsonValue }
  | { type: 'result'; ok: false; error: { code: string; message: string; retryable: boolean } };

/** The agent's process said something that is not the protocol. */
export class ProtocolViolation extends Error {
  constructor(
    readonly code:
      | 'frame_too_large'
      | 'output_too_large'
      | 'invalid_utf8'
      | 'invalid_json'
      | 'invalid_frame'
      | 'cut_frame',
    message: string,
  ) {
    super(message);
    this.name = 'ProtocolViolation';
  }
}

export function encodeFrame(frame: DownFrame | UpFrame): string {
  return JSON.stringify(frame) + '\n';
}

/** Cuts a byte stream into lines at LF bytes only. Holds at most one frame. */
export class LineSplitter {
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(private readonly maxBytes = MAX_FRAME_BYTES) {}

  /** Bytes of a line that has not ended. */
  get pending(): number {
    return this.#bytes;
  }

  /** Throws ProtocolViolation `frame_too_large` once a line is longer than the limit, whether it has ended or not. */
  *push(chunk: Buffer): Generator<Buffer> {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      this.#take(chunk.subarray(from, at));
      const line = Buffer.concat(this.#pieces, this.#bytes);
      this.#pieces = [];
      this.#bytes = 0;
      from = at + 1;
      yield line;
    }
    this.#take(chunk.subarray(from));
  }

  #take(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.maxBytes)
      throw new ProtocolViolation('frame_too_large', `a frame has at most ${this.maxBytes} bytes`);
    if (piece.length > 0) this.#pieces.push(piece);
  }
}

/** One line as a frame from the agent; ProtocolViolation when it is none. */
export function parseUpFrame(line: Buffer): UpFrame {
  const frame = objectOf(line);
  switch (frame.type) {
    case 'event':
      return parseEvent(frame);
    case 'call':
      only(frame, ['type', 'id', 'method', 'params']);
      return {
        type: 'call',
        id: identifier(frame),
        method: oneOf(frame, 'method', METHODS),
        params: record(frame, 'params'),
      };
    case 'result':
      return parseResult(frame);
    default:
      throw invalid(`"type" is ${show(frame.type)}, not event, call or result`);
  }
}

function parseEvent(frame: Fields): UpFrame {
  if (frame.event === 'milestone') {
    only(frame, ['type', 'event', 'name', 'detail']);
    return {
      type: 'event',
      event: 'milestone',
      name: text(frame, 'name'),
      detail: frame.detail === undefined ? '' : text(frame, 'detail'),
    };
  }
  if (frame.event !== 'log') throw invalid(`"event" is ${show(frame.event)}, not milestone or log`);
  only(frame, ['type', 'event', 'level', 'source', 'message']);
  return {
    type: 'event',
    event: 'log',
    level: frame.level === undefined ? 'info' : oneOf(frame, 'level', LEVELS),
    source: frame.source === undefined ? 'agent' : oneOf(frame, 'source', SOURCES),
    message: text(frame, 'message'),
  };
}

function parseResult(frame: Fields): UpFrame {
  if (frame.ok === true) {
    only(frame, ['type', 'ok', 'value']);
    return { type: 'result', ok: true, value: frame.value ?? null };
  }
  if (frame.ok !== false) throw invalid(`"ok" is ${show(frame.ok)}, not true or false`);
  only(frame, ['type', 'ok', 'error']);
  const error = record(frame, 'error');
  only(error, ['code', 'message', 'retryable']);
  const code = error.code === undefined ? 'agent_error' : text(error, 'code');
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(code))
    throw invalid(`"code" is ${show(code)}, not lower case words joined by _`);
  return {
    type: 'result',
    ok: false,
    error: { code, message: text(error, 'message'), retryable: error.retryable === true },
  };
}

type Fields = { [key: string]: JsonValue | undefined };

function objectOf(line: Buffer): Fields {
  let source: string;
  try {
    source = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    throw new ProtocolViolation('invalid_utf8', 'a frame is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new ProtocolViolation('invalid_json', `a line is not JSON: ${show(source)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('a frame is a JSON object');
  return value as Fields;
}

function identifier(frame: Fields): string {
  const id = text(frame, 'id');
  if (id.length === 0 || id.length > 64) throw invalid('"id" has 1 to 64 characters');
  return id;
}

function text(frame: Fields, key: string): string {
  const value = frame[key];
  if (typeof value !== 'string') throw invalid(`"${key}" is ${show(value)}, not a string`);
  return value;
}

function record(frame: Fields, key: string): { [key: string]: JsonValue } {
  const value = frame[key];
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`"${key}" is ${show(value)}, not an object`);
  return value;
}

function oneOf<T extends string>(frame: Fields, key: string, allowed: readonly T[]): T {
  const value = allowed.find((one) => one === frame[key]);
  if (value === undefined) throw invalid(`"${key}" is ${show(frame[key])}, not one of ${allowed.join(', ')}`);
  return value;
}

function only(frame: Fields, allowed: readonly string[]): void {
  const unknown = Object.keys(frame).find((key) => !allowed.includes(key));
  if (unknown !== undefined) throw invalid(`unknown field ${show(unknown)}`);
}

function invalid(message: string): ProtocolViolation {
  return new ProtocolViolation('invalid_frame', message);
}

function show(value: unknown): string {
  const shown = value === undefined ? 'absent' : JSON.stringify(value);
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}
