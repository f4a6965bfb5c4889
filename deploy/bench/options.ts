import { parseArgs } from 'node:util';
import type { SetUp } from './figure.ts';

export interface Options {
  names: string[];
  setups: SetUp[];
  seconds: number;
  rounds: number;
  json: string | undefined;
  compare: string | undefined;
}

/** @throws Error in one line that says what is wrong and what there is. */
export function readOptions(args: string[], known: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      setup: { type: 'string', default: 'both' },
      json: { type: 'string' },
      compare: { type: 'string' },
    },
  });
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no bench "${unknown}"; there are ${known.join(', ')}`);
  return {
    names: positionals.length > 0 ? positionals : [...known],
    setups: setupsOf(values.setup),
    seconds: atLeast(values.seconds, 'seconds', 0.5),
    rounds: Math.round(atLeast(values.rounds, 'rounds', 1)),
    json: values.json,
    compare: values.compare,
  };
}

function setupsOf(text: string): SetUp[] {
  if (text === 'one') return ['one process'];
  if (text === 'many') return ['processes'];
  if (text === 'both') return ['one process', 'processes'];
  throw new Error(`--setup is one, many or both, not "${text}"`);
}

function atLeast(text: string, name: string, least: number): number {
  const value = Number(text);
  if (value >= least) return value;
  throw new Error(`--${name} is a number from ${least} up, not "${text}"`);
}
