const WHITESPACE: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text of a server as one line that a terminal only shows: controls (ANSI escapes begin with one), line separators and the
 * marks that turn the direction of text around become visible escapes.
 */
export function harmless(text: string): string {
  return Array.from(text, (character) => (isActive(character) ? visible(character) : character)).join('');
}

/** Like `harmless`, with runs of white space as one blank, cut to `limit` characters with an ellipsis. */
export function oneLine(text: string, limit: number): string {
  const line = harmless(text.replace(/\s+/g, ' ').trim());
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}

/** The text's own lines, each harmless; tabs become blanks. */
export function harmlessLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/).map((line) => harmless(line.replaceAll('\t', '  ')));
}

function isActive(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  if (code === 0x61c || code === 0x200e || code === 0x200f) return true;
  if (code >= 0x2028 && code <= 0x202e) return true;
  return (code >= 0x2066 && code <= 0x2069) || (code >= 0xd800 && code <= 0xdfff) || code === 0xfeff;
}

function visible(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return WHITESPACE[character] ?? (code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`);
}
