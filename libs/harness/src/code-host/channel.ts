import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
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
      this.send({ type: 'call', id, method, params });
    });
  }

  /** Synchronous, so that what was said before a crash has been said. */
  send(frame: UpFrame): void {
    let bytes = Buffer.from(JSON.stringify(frame) + '\n');
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
