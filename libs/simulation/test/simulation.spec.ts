import { describe, expect, it } from '@jest/globals';
import { SABOTAGES, simulate } from '../src/index.ts';

const SEEDS = 2_000;
const FOUND_WITHIN = 200;
const MINUTES_MS = 60_000;

describe('the simulation', () => {
  it(
    `keeps every promise in ${SEEDS} lives`,
    async () => {
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const { violations } = await simulate(seed);
        if (violations.length > 0)
          throw new Error(`again: npm run simulate -- --seed ${seed}\n${violations.join('\n')}`);
      }
    },
    10 * MINUTES_MS,
  );

  it('lives the same life for the same seed, and another for another', async () => {
    const [once, again, other] = [await simulate(7), await simulate(7), await simulate(8)];
    expect(again).toEqual(once);
    expect(other.digest).not.toBe(once.digest);
  });

  it('is turbulent: processes die, sleep and shut down, and the broker goes away', async () => {
    const total = { kills: 0, pauses: 0, shutdowns: 0, outages: 0 };
    for (let seed = 1; seed <= 20; seed += 1) {
      const outcome = await simulate(seed);
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += outcome[name];
    }
    for (const count of Object.values(total)) expect(count).toBeGreaterThanOrEqual(10);
  });

  it.each(SABOTAGES)(
    'finds out about the sabotage %s',
    async (sabotage) => {
      for (let seed = 1; seed <= FOUND_WITHIN; seed += 1) {
        const { violations } = await simulate(seed, sabotage);
        if (violations.length > 0) return;
      }
      throw new Error(`${FOUND_WITHIN} lives with ${sabotage} broke no promise`);
    },
    3 * MINUTES_MS,
  );
});
