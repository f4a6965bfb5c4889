import { createServer } from 'node:net';
import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { freePort, journal, temporaryFolder, waitFor } from '../src/index.ts';

describe('a journal', () => {
  const filled = () => {
    const kept = journal();
    for (const thing of ['a', 'b', 'c']) kept.attempted(thing);
    kept.acknowledged('a');
    kept.acknowledged('b');
    return kept;
  };

  it('agrees when everything acknowledged is there once; an unacknowledged attempt may be there', () => {
    filled().check(['a', 'b']);
    filled().check(['c', 'b', 'a']);
  });

  it('names what is missing, there twice or from nowhere', () => {
    expect(filled().compare(['a', 'a', 'c', 'z'])).toEqual({
      missing: ['b'],
      twice: ['a'],
      unknown: ['z'],
      unacknowledged: ['c'],
    });
    expect(() => filled().check(['a', 'a', 'c', 'z'])).toThrow('1 missing: b; 1 twice: a; 1 unknown: z');
  });

  it('shows nothing when nothing was acknowledged', () => {
    expect(() => journal().check([])).toThrow('nothing was acknowledged');
    expect(() => journal().acknowledged('x')).toThrow('before it was attempted');
  });
});

describe('waiting', () => {
  it('hands back the first value that counts', async () => {
    let tries = 0;
    expect(await waitFor(() => ++tries >= 3 && `try ${tries}`, { describe: 'three tries' })).toBe('try 3');
  });

  it('tells what it waited for, and the last error', async () => {
    const never = waitFor(() => Promise.reject(new Error('closed')), { describe: 'the door', timeoutMs: 50 });
    await expect(never).rejects.toThrow('not within 50 ms: the door: closed');
  });
});

describe('places', () => {
  it('gives a port that can be listened on', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve, reject) =>
      server.once('error', reject).listen(port, '127.0.0.1', resolve),
    );
    await new Promise((resolve) => server.close(resolve));
  });

  it('gives a folder that goes', async () => {
    const folder = await temporaryFolder();
    expect(existsSync(folder.path)).toBe(true);
    await folder.remove();
    expect(existsSync(folder.path)).toBe(false);
  });
});
