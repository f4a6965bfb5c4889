import type { Cleanup } from './cleanup.ts';
import type { Need } from './preflight.ts';

/** One figure of a drill: what was measured, and, where a number must hold, the bound and whether it did. */
export interface Figure {
  what: string;
  measured: string;
  bound?: string;
  holds?: boolean;
}

export interface DrillContext {
  /** Three brokers and replicated streams instead of one. */
  r3: boolean;
  /** The longer form: more kills, longer loads. */
  long: boolean;
  cleanup: Cleanup;
  figures: Figures;
  /** One line of progress on stderr. */
  say: (line: string) => void;
}

export interface Drill {
  name: string;
  /** Rows of the fault table in docs/drills.md. */
  rows: string;
  /** One line: what is done to the system. */
  title: string;
  /** Without one of these the drill is skipped. */
  needs?: readonly Need[];
  /** Shows something of its own on three brokers; `all --r3` runs only these. */
  r3?: 'only' | 'too';
  run(context: DrillContext): Promise<void>;
}

/** Thrown by a drill that finds that it cannot show anything here. */
export class Skipped extends Error {}

/** What a drill has found. A drill passes when it has at least one bound and all of them hold. */
export class Figures {
  readonly list: Figure[] = [];

  /** A figure without a bound. */
  tell(what: string, measured: string | number): void {
    this.list.push({ what, measured: String(measured) });
  }

  atMost(what: string, measured: number, most: number, unit = ''): void {
    this.#bounded(what, measured, `at most ${most}`, measured <= most, unit);
  }

  atLeast(what: string, measured: number, least: number, unit = ''): void {
    this.#bounded(what, measured, `at least ${least}`, measured >= least, unit);
  }

  exactly(what: string, measured: number, wanted: number): void {
    this.#bounded(what, measured, String(wanted), measured === wanted);
  }

  /** Names must be empty; the first of them are shown. */
  none(what: string, names: readonly string[]): void {
    const shown = names.slice(0, 3).join(', ');
    this.list.push({
      what,
      measured: names.length === 0 ? '0' : `${names.length}: ${shown}${names.length > 3 ? ', ...' : ''}`,
      bound: '0',
      holds: names.length === 0,
    });
  }

  isTrue(what: string, holds: boolean, detail = ''): void {
    const measured = detail === '' ? (holds ? 'yes' : 'no') : detail;
    this.list.push({ what, measured, bound: 'yes', holds });
  }

  get passed(): boolean {
    const bounded = this.list.filter((figure) => figure.holds !== undefined);
    return bounded.length > 0 && bounded.every((figure) => figure.holds);
  }

  /** The table, one line per figure. */
  table(): string {
    const rows = this.list.map(({ what, measured, bound = '', holds }) => [
      holds === undefined ? '    ' : holds ? 'ok  ' : 'FAIL',
      what,
      measured,
      bound,
    ]);
    const width = (column: number): number =>
      Math.max(...rows.map((row) => Math.min(42, row[column]?.length ?? 0)));
    const line = ([mark = '', what = '', measured = '', bound = '']: string[]): string =>
      `  ${mark} ${what.padEnd(width(1))}  ${measured.padEnd(width(2))}${bound === '' ? '' : `  (${bound})`}`.trimEnd();
    return rows.map(line).join('\n');
  }

  #bounded(what: string, measured: number, bound: string, holds: boolean, unit = ''): void {
    const shown = Number.isInteger(measured) ? String(measured) : measured.toFixed(2);
    const of = unit === '' ? '' : ` ${unit}`;
    this.list.push({ what, measured: `${shown}${of}`, bound: `${bound}${of}`, holds });
  }
}
