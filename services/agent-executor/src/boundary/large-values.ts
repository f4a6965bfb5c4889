import { AgentFailed, type JsonValue } from '@runledger/harness';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { MAX_INLINE_VALUE_BYTES } from '@runledger/wire';

const CUT = '… [cut]';

/** Values over 64 KiB live as blobs; an event holds `{blob, bytes, preview}` in their place. */
export class LargeValues {
  constructor(
    private readonly runLog: RunLog,
    private readonly address: RunAddress,
  ) {}

  /** The value itself, or its reference once the blob is stored. */
  async put(value: JsonValue): Promise<JsonValue> {
    if (!mayBeLarge(value)) return value;
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) <= MAX_INLINE_VALUE_BYTES) return value;
    return { ...(await this.runLog.putBlob(this.address, text)) };
  }

  /** What `put` was given. AgentFailed `value_gone` when the blob is gone. */
  async get(value: JsonValue): Promise<JsonValue> {
    if (!isReference(value)) return value;
    const text = await this.runLog.getBlob(this.address, value.blob);
    if (text === undefined)
      throw new AgentFailed({
        code: 'value_gone',
        category: 'system',
        title: 'A large value is no longer stored',
        detail: `blob ${value.blob} of ${value.bytes} bytes`,
        remedy: 'Start the run again.',
        retryable: false,
      });
    return JSON.parse(text) as JsonValue;
  }
}

/** Text of a log line: at most 64 KiB of UTF-8, cut at a character. */
export function cutText(text: string, maxBytes = MAX_INLINE_VALUE_BYTES): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text).subarray(0, maxBytes - Buffer.byteLength(CUT));
  return new TextDecoder().decode(bytes, { stream: true }) + CUT;
}

function mayBeLarge(value: JsonValue): boolean {
  if (typeof value === 'string') return value.length * 6 > MAX_INLINE_VALUE_BYTES;
  return typeof value === 'object' && value !== null;
}

function isReference(value: JsonValue): value is { blob: string; bytes: number; preview: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { blob, bytes, preview, ...rest } = value;
  return (
    typeof blob === 'string' &&
    /^[0-9a-f]{64}$/.test(blob) &&
    typeof bytes === 'number' &&
    typeof preview === 'string' &&
    Object.keys(rest).length === 0
  );
}
