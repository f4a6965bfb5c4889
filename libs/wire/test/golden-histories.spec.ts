import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { decodeEventStrict, encodeEvent } from '../src/index.ts';

const folder = new URL('../../run/test/histories/', import.meta.url);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ndjson'),
);

describe('golden histories', () => {
  it('are there', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  it.each(files)('%s: every line is as its message says, and encodes to its own bytes', (name) => {
    const lines = readFileSync(new URL(name, folder), 'utf8').trimEnd().split('\n');
    for (const line of lines) expect(encodeEvent(decodeEventStrict(line))).toBe(line);
  });
});
