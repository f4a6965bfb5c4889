import { harmless, oneLine } from './harmless.ts';

export const DASH = '—';
const PREVIEW = 160;

/** The data of an event that may come from a later server or a hostile agent: whatever is asked for, an answer is printable. */
export class Fields {
  readonly #data: Record<string, unknown>;

  constructor(data: unknown) {
    this.#data = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  }

  raw(name: string): unknown {
    return this.#data[name];
  }

  has(name: string): boolean {
    const value = this.#data[name];
    return value !== undefined && value !== null && value !== '';
  }

  text(name: string, limit = PREVIEW): string {
    const value = this.#data[name];
    if (typeof value === 'string' && value !== '') return oneLine(value, limit);
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : DASH;
  }

  number(name: string): number {
    const value = Number(this.#data[name]);
    return Number.isFinite(value) ? value : 0;
  }

  at(name: string): Fields {
    return new Fields(this.#data[name]);
  }

  list(name: string): Fields[] {
    const value = this.#data[name];
    return Array.isArray(value) ? value.map((item) => new Fields(item)) : [];
  }

  /** A free value in one line: a lone text is shown as it is, anything else as JSON. */
  value(name: string, limit = PREVIEW): string {
    return valueText(this.#data[name], limit);
  }
}

export function valueText(value: unknown, limit = PREVIEW): string {
  if (value === undefined || value === null) return DASH;
  if (typeof value === 'string') return oneLine(value, limit);
  if (typeof value === 'object' && !Array.isArray(value)) {
    const inside: unknown[] = Object.values(value);
    if (inside.length === 1 && typeof inside[0] === 'string') return oneLine(inside[0], limit);
  }
  return oneLine(JSON.stringify(value), limit);
}

/** The whole value as JSON in one harmless line. */
export const jsonText = (value: unknown): string => harmless(JSON.stringify(value) ?? 'null');
