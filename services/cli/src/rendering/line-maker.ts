import type { Colors } from 'picocolors/types.js';
import type { Fields } from './fields.ts';

/** What a line needs besides its event. */
export interface LineContext {
  /** `[14:02:11]` */
  stamp: string;
  data: Fields;
  paint: Colors;
  /** Names of calls and children seen so far, by id: a return carries only the id. */
  names: Map<string, string>;
}

export type LineMaker = (context: LineContext) => string[];

/** Lines that follow one with a stamp are indented like this. */
export const INDENT = ' '.repeat(9);
