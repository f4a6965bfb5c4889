/** Data of stored events as they are: also of later versions, and of harnesses that say too little. */

export type Fields = Readonly<Record<string, unknown>>;

/** The object's fields; of anything else: none. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

/** The text; of anything else: nothing. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A text as it is, any other JSON as JSON. */
export const asText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null');

/** What an assistant message says: its text, or the texts of its parts; of a message kept by reference: its beginning. */
export function messageText(message: unknown): string {
  const { content, blob, preview } = fieldsOf(message);
  if (typeof content === 'string') return content;
  if (Array.isArray(content))
    return content
      .map((part) => (fieldsOf(part).type === 'text' ? textOf(fieldsOf(part).text) : ''))
      .join('');
  return typeof blob === 'string' ? textOf(preview) : '';
}

/** ms since 1970; nothing where it is no time. */
export function millisecondsOf(at: unknown): number | undefined {
  const ms = Date.parse(textOf(at));
  return Number.isNaN(ms) ? undefined : ms;
}
