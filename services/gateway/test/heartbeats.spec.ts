import { describe, expect, it } from '@jest/globals';
import { Heartbeats } from '../src/stream/heartbeats.ts';

describe('heartbeats', () => {
  const wheel = (): { wheel: Heartbeats<string>; beaten: string[] } => {
    const beaten: string[] = [];
    // No tick comes by itself: a turn takes a day.
    return { wheel: new Heartbeats<string>(86_400_000, (one) => beaten.push(one), 3), beaten };
  };

  it('each has one in each turn, the first a whole turn after it came', () => {
    const { wheel: beats, beaten } = wheel();
    beats.add('a');
    beats.tick();
    beats.add('b');
    beats.tick();
    expect(beaten).toEqual([]);
    beats.tick();
    expect(beaten).toEqual(['a']);
    beats.tick();
    expect(beaten).toEqual(['a', 'b']);
    for (let tick = 0; tick < 6; tick += 1) beats.tick();
    expect(beaten).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    beats.stop();
  });

  it('who has left has none, and is not kept', () => {
    const { wheel: beats, beaten } = wheel();
    beats.add('a');
    beats.add('b');
    beats.remove('a');
    beats.remove('a');
    for (let tick = 0; tick < 3; tick += 1) beats.tick();
    expect(beaten).toEqual(['b']);
    expect(beats.count).toBe(1);
    beats.remove('b');
    expect(beats.count).toBe(0);
  });
});
