import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { grantable, groupOf, queues, type AdmissionEntry } from '../src/admission/entry.ts';

const limits = { rootRunsPerUser: 2, childrenPerRoot: 3 };

function entry(run_id: string, over: Partial<AdmissionEntry> = {}): AdmissionEntry {
  return {
    run_id,
    user_id: 'ann',
    agent_id: 'hello',
    root_run_id: run_id,
    priority: 0,
    since: 0,
    state: 'queued',
    dispatch: 1,
    ...over,
  };
}
const ids = (entries: AdmissionEntry[]): string[] => entries.map(({ run_id }) => run_id);

describe('who may run', () => {
  it('grants up to the limit of each user, oldest first', () => {
    const entries = [
      entry('c', { since: 3 }),
      entry('a', { since: 1 }),
      entry('b', { since: 2 }),
      entry('z', { user_id: 'bob', since: 9 }),
    ];
    expect(ids(grantable(entries, limits))).toEqual(['a', 'b', 'z']);
  });

  it('counts what is granted already', () => {
    expect(
      ids(
        grantable(
          [entry('a', { state: 'granted' }), entry('b', { since: 1 }), entry('c', { since: 2 })],
          limits,
        ),
      ),
    ).toEqual(['b']);
  });

  it('prefers a higher priority, and before that what has run already', () => {
    const entries = [
      entry('old', { since: 1 }),
      entry('urgent', { since: 5, priority: 9 }),
      entry('resumed', { since: 7, dispatch: 2 }),
    ];
    expect(ids(grantable(entries, limits))).toEqual(['resumed', 'urgent']);
  });

  it('counts children under their root, not under their user', () => {
    const children = ['1', '2', '3', '4'].map((id) => entry(id, { root_run_id: 'root', since: Number(id) }));
    const granted = [entry('root', { state: 'granted' }), entry('other', { state: 'granted' })];
    expect(ids(grantable([...granted, ...children], limits))).toEqual(['1', '2', '3']);
  });

  it('shows each user its own queue in the order of its turn', () => {
    const entries = [
      entry('b', { since: 2 }),
      entry('a', { since: 1 }),
      entry('z', { user_id: 'bob' }),
      entry('g', { state: 'granted' }),
    ];
    expect(queues(entries)).toEqual(
      new Map([
        ['bob', ['z']],
        ['ann', ['a', 'b']],
      ]),
    );
  });

  it('never passes a limit and never leaves a free slot to nobody, whatever the entries', () => {
    const anyEntry = fc.record({
      run_id: fc.uuid(),
      user_id: fc.constantFrom('ann', 'bob'),
      child: fc.boolean(),
      priority: fc.integer({ min: -10, max: 10 }),
      since: fc.nat(1_000),
      granted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(anyEntry, { selector: ({ run_id }) => run_id, maxLength: 30 }), (raw) => {
        const taken = new Map<string, number>();
        const limitOf = (group: string): number =>
          group.startsWith('user') ? limits.rootRunsPerUser : limits.childrenPerRoot;
        const entries = raw.map(({ child, granted, ...rest }) => {
          const made = entry(rest.run_id, { ...rest, root_run_id: child ? 'root' : rest.run_id });
          const used = taken.get(groupOf(made)) ?? 0;
          if (!granted || used >= limitOf(groupOf(made))) return made;
          taken.set(groupOf(made), used + 1);
          return { ...made, state: 'granted' as const };
        });
        const granted = grantable(entries, limits);
        for (const next of granted) taken.set(groupOf(next), (taken.get(groupOf(next)) ?? 0) + 1);
        for (const [group, used] of taken) expect(used).toBeLessThanOrEqual(limitOf(group));
        for (const left of entries.filter((one) => one.state === 'queued' && !granted.includes(one)))
          expect(taken.get(groupOf(left))).toBe(limitOf(groupOf(left)));
      }),
    );
  });
});
