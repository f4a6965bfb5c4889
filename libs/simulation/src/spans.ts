/** When something was so: spans of time, one after the other. */
export class Spans {
  readonly #spans: { from: number; to: number }[] = [];

  begin(at: number): void {
    this.#spans.push({ from: at, to: Infinity });
  }

  end(at: number): void {
    const last = this.#spans.at(-1);
    if (last) last.to = Math.min(last.to, at);
  }

  /** Whether it was so at some time from `from` to `to`. */
  meet(from: number, to: number): boolean {
    return this.#spans.some((span) => span.from <= to && span.to >= from);
  }

  /** Whether it was so all the time from `from` to `to`. */
  cover(from: number, to: number): boolean {
    return this.#spans.some((span) => span.from <= from && span.to >= to);
  }
}
