import type { StoredLine } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';

/** Characters of text that a snapshot brings: the newest messages that fit, and at least the newest. */
export const MOST_CHARACTERS = 1024 * 1024;

/** One message, with the text that its events appended one after the other. */
export interface FoldedMessage {
  message_id: string;
  turn: number;
  channel: string;
  text: string;
}

/** The text of a run after event `seq`, oldest message first. */
export interface Transcript {
  seq: number;
  messages: readonly FoldedMessage[];
  /** How many older messages were left out. */
  dropped: number;
}

export const NOTHING_SAID: Transcript = { seq: 0, messages: [], dropped: 0 };

/** The transcript after more lines: those that come after it, in order. */
export function appendText(transcript: Transcript, lines: readonly StoredLine[]): Transcript {
  const fresh = lines.filter(({ seq }) => seq > transcript.seq);
  const messages = [...transcript.messages];
  for (const { type, line } of fresh) if (type === 'text.appended') append(messages, line);
  const dropped = trim(messages);
  return { seq: fresh.at(-1)?.seq ?? transcript.seq, messages, dropped: transcript.dropped + dropped };
}

function append(messages: FoldedMessage[], line: string): void {
  const { message_id, turn, channel, text } = decodeEvent(line).data as Record<string, unknown>;
  if (typeof text !== 'string') return;
  const [id, kind] = [String(message_id), String(channel)];
  const at = messages.findLastIndex((one) => one.message_id === id && one.channel === kind);
  const before = messages[at];
  if (before) messages[at] = { ...before, text: before.text + text };
  else messages.push({ message_id: id, turn: Number(turn), channel: kind, text });
}

function trim(messages: FoldedMessage[]): number {
  let characters = 0;
  const first = messages.findLastIndex(({ text }) => (characters += text.length) > MOST_CHARACTERS);
  const drop = Math.min(first + 1, messages.length - 1);
  if (drop > 0) messages.splice(0, drop);
  return Math.max(0, drop);
}
