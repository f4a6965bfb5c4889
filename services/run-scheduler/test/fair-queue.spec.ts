import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AdmissionEntry } from '../src/admission/entry.ts';
import { FairQueue } from '../src/admission/fair-queue.ts';
import { queues } from '../src/admission/queue-positions.ts';
import { Usage, type Limits } from '../src/admission/usage.ts';

function limits(over: Partial<Limits> = {}): Limits {
  const many = (): number => 1_000;
  return {
    cell: 1_000,
    childrenPerRoot: 3,
    tenant: many,
    user: many,
    agent: many,
    key: () => 1,
    agentKey: () => 1,
    weight: () => 1,
    knows: () => true,
    ...over,
  };
}

function entry(run_id: string, over: Partial<AdmissionEntry> = {}): AdmissionEntry {
  return {
    tenant_id: 'acme',
    run_id,
    user_id: 'ann',
    agent_id: 'hello',
    root_run_id: run_id,
    priority: 0,
    since: 0,
    dispatch: 1,
    ...over,
  };
}

/** The run ids that are granted, in order, until nobody else may be. */
function grants(entries: AdmissionEntry[], of: Limits, granted: AdmissionEntry[] = []): string[] {
  const queue = new FairQueue();
  const usage = new Usage(of);
  for (const slot of granted) usage.count(slot, 1);
  for (const waiting of entries) queue.add(waiting);
  const order: string[] = [];
  for (let taken = queue.take(usage); taken; taken = queue.take(usage)) {
    usage.count(taken.entry, 1);
    order.push(taken.entry.run_id);
  }
  return order;
}

describe('limits of runs at once', () => {
  it('hold for a user, for a tenant, for an agent and for the cell, counting what has a slot already', () => {
    const entries = [entry('a', { since: 1 }), entry('b', { since: 2 }), entry('c', { since: 3 })];
    const slot = [entry('s')];
    expect(grants(entries, limits({ user: () => 3 }), slot)).toEqual(['a', 'b']);
    expect(grants(entries, limits({ tenant: () => 2 }), slot)).toEqual(['a']);
    expect(grants(entries, limits({ agent: () => 3 }), slot)).toEqual(['a', 'b']);
    expect(grants(entries, limits({ cell: 1 }), slot)).toEqual([]);
  });

  it('pass over a run whose limits nobody has read, and tell of it', () => {
    const of = limits({ knows: ({ agent_id }) => agent_id !== 'new' });
    const entries = [entry('a', { agent_id: 'new' }), entry('b'), entry('c', { agent_id: 'new' })];
    expect(grants(entries, of)).toEqual(['b']);
    const usage = new Usage(of);
    for (const waiting of entries) usage.run(waiting);
    expect([...usage.unread.values()].map(({ agent_id }) => agent_id)).toEqual(['new']);
  });

  it("hold for a custom key across the users and agents of a tenant, and for an agent's own key within the agent", () => {
    const keyed = [
      entry('a', { key: 'repo-1' }),
      entry('b', { key: 'repo-1', user_id: 'bob', agent_id: 'other' }),
      entry('c', { key: 'repo-2' }),
      entry('d', { key: 'repo-1', tenant_id: 'zeta' }),
    ];
    expect(grants(keyed, limits()).sort()).toEqual(['a', 'c', 'd']);
    const ofAgents = [
      entry('a', { agent_key: 'pr-1' }),
      entry('b', { agent_key: 'pr-1' }),
      entry('c', { agent_key: 'pr-1', agent_id: 'other' }),
    ];
    expect(grants(ofAgents, limits()).sort()).toEqual(['a', 'c']);
  });

  it('count children under their root, not under their user', () => {
    const children = ['1', '2', '3', '4'].map((id) => entry(id, { root_run_id: 'root', since: Number(id) }));
    expect(grants(children, limits({ user: () => 1, cell: 1 }), [entry('root')])).toEqual(['1', '2', '3']);
  });

  it('of one agent do not hold up the other runs of its user', () => {
    const entries = [
      entry('a', { agent_id: 'busy' }),
      entry('b', { agent_id: 'busy', since: 1 }),
      entry('c', { since: 2 }),
    ];
    expect(grants(entries, limits({ agent: (_, agent) => (agent === 'busy' ? 1 : 9) }))).toEqual(['a', 'c']);
  });
});

describe('whose turn it is', () => {
  it('is, within a user, what has run already, then the higher priority, then age', () => {
    const entries = [
      entry('old', { since: 1 }),
      entry('low', { since: 0, priority: -10 }),
      entry('urgent', { since: 5, priority: 10 }),
      entry('resumed', { since: 7, dispatch: 2 }),
    ];
    expect(grants(entries, limits())).toEqual(['resumed', 'urgent', 'old', 'low']);
  });

  it('goes round the tenants, and round the users of each', () => {
    const entries = [
      ...['a1', 'a2', 'a3'].map((id, since) => entry(id, { since })),
      entry('a4', { user_id: 'bob' }),
      entry('z1', { tenant_id: 'zeta', priority: -10 }),
      entry('z2', { tenant_id: 'zeta', since: 1, priority: -10 }),
    ];
    expect(grants(entries, limits())).toEqual(['a1', 'z1', 'a4', 'z2', 'a2', 'a3']);
  });

  it('gives a tenant as many grants in a row as it weighs', () => {
    const of = (tenant_id: string): AdmissionEntry[] =>
      [1, 2, 3, 4].map((since) => entry(`${tenant_id}${since}`, { tenant_id, since }));
    const order = grants([...of('a'), ...of('b')], limits({ weight: (tenant) => (tenant === 'a' ? 3 : 1) }));
    expect(order).toEqual(['a1', 'a2', 'a3', 'b1', 'a4', 'b2', 'b3', 'b4']);
  });

  it('passes a full tenant over and lets it save nothing up', () => {
    const entries = [
      ...[1, 2, 3].map((since) => entry(`a${since}`, { tenant_id: 'a', since })),
      ...[1, 2].map((since) => entry(`b${since}`, { tenant_id: 'b', since })),
    ];
    expect(grants(entries, limits({ tenant: (tenant) => (tenant === 'a' ? 1 : 9) }))).toEqual([
      'a1',
      'b1',
      'b2',
    ]);
  });
});

describe('the queue', () => {
  const anyEntry = fc.record({
    run_id: fc.uuid(),
    tenant_id: fc.constantFrom('acme', 'zeta'),
    user_id: fc.constantFrom('ann', 'bob'),
    agent_id: fc.constantFrom('hello', 'other'),
    key: fc.constantFrom('repo-1', undefined),
    child: fc.boolean(),
    priority: fc.integer({ min: -10, max: 10 }),
    since: fc.nat(1_000),
  });
  const entriesOf = (
    raw: ({ child: boolean; key: string | undefined } & Omit<Partial<AdmissionEntry>, 'key'>)[],
  ) =>
    raw.map(({ child, key, ...rest }) =>
      entry(rest.run_id ?? '', {
        ...rest,
        ...(key === undefined ? {} : { key }),
        ...(child ? { root_run_id: `root of ${rest.tenant_id}` } : {}),
      }),
    );

  it('never passes a limit and never leaves a slot free that somebody who waits may have', () => {
    const of = limits({ cell: 9, tenant: () => 6, user: () => 4, agent: () => 3 });
    fc.assert(
      fc.property(fc.uniqueArray(anyEntry, { selector: ({ run_id }) => run_id, maxLength: 40 }), (raw) => {
        const entries = entriesOf(raw);
        const granted = new Set(grants(entries, of));
        const inGroup = (group: (one: AdmissionEntry) => unknown, one: AdmissionEntry): number =>
          entries.filter((other) => granted.has(other.run_id) && group(other) === group(one)).length;
        const isChild = (one: AdmissionEntry): boolean => one.root_run_id !== one.run_id;
        const rooted = (group: (one: AdmissionEntry) => string) => (one: AdmissionEntry) =>
          isChild(one) ? '' : group(one);
        const full = (one: AdmissionEntry): number[] =>
          isChild(one)
            ? [inGroup((other) => other.root_run_id, one) - 3]
            : [
                inGroup(
                  rooted(() => 'cell'),
                  one,
                ) - 9,
                inGroup(
                  rooted((other) => other.tenant_id),
                  one,
                ) - 6,
                inGroup(
                  rooted((other) => `${other.tenant_id} ${other.user_id}`),
                  one,
                ) - 4,
                inGroup(
                  rooted((other) => `${other.tenant_id} ${other.agent_id}`),
                  one,
                ) - 3,
                ...(one.key
                  ? [
                      inGroup(
                        rooted((other) => `${other.tenant_id} ${other.key}`),
                        one,
                      ) - 1,
                    ]
                  : []),
              ];
        for (const one of entries)
          if (granted.has(one.run_id)) expect(Math.max(...full(one))).toBeLessThanOrEqual(0);
          else expect(Math.max(...full(one))).toBe(0);
      }),
    );
  });

  it('is after an undo what it was before', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyEntry, { selector: ({ run_id }) => run_id, maxLength: 20 }),
        fc.nat(20),
        (raw, count) => {
          const entries = entriesOf(raw);
          const queue = new FairQueue();
          const usage = new Usage(limits());
          for (const one of entries) queue.add(one);
          const undone = [];
          const first: string[] = [];
          while (first.length < count) {
            const taken = queue.take(usage);
            if (!taken) break;
            first.push(taken.entry.run_id);
            undone.push(taken.undo);
          }
          for (const undo of undone.reverse()) undo();
          const again: string[] = [];
          while (again.length < first.length) again.push(queue.take(usage)?.entry.run_id ?? 'none');
          expect(again).toEqual(first);
        },
      ),
    );
  });

  it('is picked from by looking at hardly more runs when more of them wait', () => {
    let looks = 0;
    const watched = (given: AdmissionEntry): AdmissionEntry =>
      Object.defineProperty({ ...given }, 'since', {
        get: () => {
          looks += 1;
          return given.since;
        },
      });
    const looksAt = (size: number): number => {
      const queue = new FairQueue();
      const usage = new Usage(
        limits({
          cell: 1_000_000,
          tenant: () => 1_000_000,
          user: () => 1_000_000,
          agent: () => 1_000_000,
          key: () => 1_000_000,
        }),
      );
      // Keys of their own: the worst case, a lane for each run.
      for (let index = 0; index < size; index++)
        queue.add(watched(entry(`r${index}`, { since: index, key: `k${index}` })));
      looks = 0;
      for (let index = 0; index < 500; index++) queue.take(usage);
      return looks;
    };
    const few = looksAt(1_000);
    expect(few).toBeGreaterThan(500);
    // A scan of all that wait would look at twenty times as many.
    expect(looksAt(20_000)).toBeLessThan(3 * few);
  });

  it('shows each user its own runs in the order of their turn', () => {
    const entries = [
      entry('b', { since: 2 }),
      entry('a', { since: 1 }),
      entry('z', { user_id: 'bob' }),
      entry('other', { tenant_id: 'zeta' }),
    ];
    expect(queues(entries)).toEqual(
      new Map([
        ['acme.ann', ['a', 'b']],
        ['acme.bob', ['z']],
        ['zeta.ann', ['other']],
      ]),
    );
  });
});
