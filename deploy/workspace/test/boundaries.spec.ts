import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const canary = fileURLToPath(new URL('../boundary-canary.mjs', import.meta.url));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [canary, ...args], { encoding: 'utf8' });
  return { status, said: `${stderr}${stdout}` };
}

describe('the import rules', () => {
  it('refuse every forbidden import and no allowed one', () => {
    expect(run()).toEqual({ status: 0, said: expect.stringMatching(/canary: (\d+) of \1 imports/) });
  }, 120_000);

  it('are noticed when they sleep', () => {
    const { status, said } = run('--asleep');
    expect(status).toBe(1);
    expect(said).toContain(
      'libs/run/src imports @runledger/wire, and @nx/enforce-module-boundaries is silent',
    );
  }, 120_000);
});
