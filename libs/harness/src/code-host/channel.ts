import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { MAX_FRAME_BYTES } from '../frame-size.ts';
import type { CallMethod, DownFrame, UpFrame } from '../protocol.ts';
import type { JsonValue } from '../port.ts';

const STDOUT = 1;

/** What the executor answered a call with. */
export class CallRefused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = code === 'agent_stopped' ? 'AgentStopped' : 'CallRefused';
    this.code = code;
  }
}

/** The host's end of the protocol. */
export class Channel {
  readonly #waiting = new Map<
    string,
    { resolve: (value: JsonValue) => void; reject: (error: Error) => void }
  >();
  #calls = 0;

  /** Hands every frame that is not a reply to `onFrame`, until the input ends. */
  async listen(
    input: Readable,
    onFrame: (frame: Exclude<DownFrame, { type: 'reply' }>) => void,
  ): Promise<void> {
    let rest = '';
    input.setEncoding('utf8');
    for await (const chunk of input as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const frame = JSON.parse(line) as DownFrame;
        if (frame.type === 'reply') this.#answer(frame);
        else onFrame(frame);
      }
    }
  }

  call(method: CallMethod, params: { [key: string]: JsonValue }): Promise<JsonValue> {
    const id = String(++this.#calls);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        this.send({ type: 'call', id, method, params });
      } catch (error) {
        this.#waiting.delete(id);
        throw error;
      }
    });
  }

  /** Synchronous, so that what was said before a crash has been said. Throws CallRefused `value_too_large`. */
  send(frame: UpFrame): void {
    let bytes = Buffer.from(JSON.stringify(frame) + '\n');
    if (bytes.length > MAX_FRAME_BYTES) {
      const what = frame.type === 'call' ? `the arguments of ${frame.method}` : `a ${frame.type}`;
      throw new CallRefused(
        'value_too_large',
        `${what}: ${bytes.length} bytes are more than ${MAX_FRAME_BYTES}`,
      );
    }
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(STDOUT, bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  }

  #answer(frame: Extract<DownFrame, { type: 'reply' }>): void {
    const waiting = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if (frame.ok) waiting?.resolve(frame.value);
    else waiting?.reject(new CallRefused(frame.error.code, frame.error.message));
  }
}
