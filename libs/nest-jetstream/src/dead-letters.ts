import type { JsMsg } from '@nats-io/jetstream';
import { deadSubject } from '@runledger/wire';
import type { Broker, ConsumerDefinition, DeadLetter } from './port.ts';

const MAX_PAYLOAD_BYTES = 64 * 1024;
const MAX_REASON_LENGTH = 1_000;

/** Keeps what can never be handled on the stream DEAD. */
export class DeadLetters {
  constructor(
    private readonly broker: Pick<Broker, 'js'>,
    private readonly service: string,
    private readonly onDead?: (letter: DeadLetter) => void,
  ) {}

  /** Resolves when DEAD has it on disk. A repeat within the stream's duplicate window is stored once. */
  async publish(message: JsMsg, definition: ConsumerDefinition<unknown>, error: unknown): Promise<void> {
    const letter = this.letter(message, definition, error);
    await this.broker.js.publish(deadSubject(this.service, definition.durable), JSON.stringify(letter), {
      msgID: `${letter.stream}-${letter.stream_seq}-${definition.durable}`,
    });
    this.onDead?.(letter);
  }

  private letter(message: JsMsg, definition: ConsumerDefinition<unknown>, error: unknown): DeadLetter {
    const code = (error as { code?: unknown } | null)?.code;
    const reason = error instanceof Error ? error.message : String(error);
    return {
      service: this.service,
      durable: definition.durable,
      code: typeof code === 'string' ? code : 'undecodable',
      reason: reason.slice(0, MAX_REASON_LENGTH),
      subject: message.subject,
      stream: definition.stream,
      stream_seq: message.seq,
      delivery: message.info.deliveryCount,
      at: new Date().toISOString(),
      headers: Object.fromEntries(
        (message.headers?.keys() ?? []).map((key) => [key, message.headers?.values(key) ?? []]),
      ),
      ...payloadOf(message.data),
    };
  }
}

function payloadOf(data: Uint8Array): Pick<DeadLetter, 'payload' | 'payload_encoding' | 'payload_bytes'> {
  const kept = Buffer.from(data.subarray(0, MAX_PAYLOAD_BYTES));
  try {
    const payload = new TextDecoder('utf-8', { fatal: true }).decode(kept, {
      stream: kept.length < data.length,
    });
    return { payload, payload_encoding: 'utf8', payload_bytes: data.length };
  } catch {
    return { payload: kept.toString('base64'), payload_encoding: 'base64', payload_bytes: data.length };
  }
}
