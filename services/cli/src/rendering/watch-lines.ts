import type { RunEvent } from '@runledger/client';
import type { Colors } from 'picocolors/types.js';
import { timeOfDay } from './durations.ts';
import { Fields, jsonText } from './fields.ts';
import { harmless } from './harmless.ts';
import { lifecycle } from './lifecycle-lines.ts';
import { progress } from './progress-lines.ts';

/** Turns the events of one run, in their order, into the lines of `watch`. */
export class WatchLines {
  readonly #names = new Map<string, string>();
  readonly #paint: Colors;
  readonly #clock: (iso: string) => string;

  constructor(paint: Colors, clock: (iso: string) => string = timeOfDay) {
    this.#paint = paint;
    this.#clock = clock;
  }

  linesOf(event: RunEvent): string[] {
    const stamp = this.#paint.dim(`[${this.#clock(event.at)}]`);
    const maker = lifecycle.get(event.type) ?? progress.get(event.type);
    if (!maker) return [`${stamp} ${harmless(event.type)} ${jsonText(event.data)}`];
    return maker({ stamp, data: new Fields(event.data), paint: this.#paint, names: this.#names });
  }
}
