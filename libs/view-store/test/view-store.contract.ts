import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { summarise, type RunView } from '@runledger/run-views';
import fc from 'fast-check';
import { InvalidCursor, type ListQuery, type ViewStore } from '../src/index.ts';
import { runId, sampleView } from './sample-views.ts';

export interface StoreUnderTest {
  /** Two connections to one store, as two processes have them. */
  open(): Promise<[ViewStore, ViewStore]>;
  removeEverything(): Promise<void>;
  /** Runs that one page of a search looks at. */
  lookedAtPerPage: number;
}

/** What every view store does. */
export function viewStoreContract(name: string, subject: StoreUnderTest): void {
  describe(`${name}: the contract of a view store`, () => {
    let store: ViewStore;
    let other: ViewStore;

    beforeAll(async () => {
      [store, other] = await subject.open();
    });
    afterAll(async () => {
      await store.close();
      await other.close();
      await subject.removeEverything();
    });
    beforeEach(() => store.clear());

    const fill = async (...views: RunView[]) => {
      expect(await store.putMany(views.map((view) => ({ view, expectedSeq: 0 })))).toEqual(
        views.map(() => true),
      );
    };
    const listed = async (query: Partial<ListQuery>) => {
      const page = await other.list({ tenant_id: 'acme', limit: 100, ...query });
      return page.runs.map((run) => run.run_id);
    };

    describe('writing', () => {
      it('gives back what was put, to every reader', async () => {
        const view = sampleView(1, { result: { nested: ['é', null, 1.5] }, labels: { team: 'ops' } });
        expect(await store.put(view, 0)).toBe(true);
        expect(await other.get('acme', view.run_id)).toEqual(view);
        expect(await other.get('acme', runId(2))).toBeUndefined();
      });

      it('refuses a write over another seq than the expected one, and leaves the view', async () => {
        await fill(sampleView(1, { seq: 4 }));
        for (const expectedSeq of [0, 3, 5])
          expect(await store.put(sampleView(1, { seq: 9 }), expectedSeq)).toBe(false);
        expect((await store.get('acme', runId(1)))?.seq).toBe(4);
        expect(await store.put(sampleView(1, { seq: 9 }), 4)).toBe(true);
        expect((await store.get('acme', runId(1)))?.seq).toBe(9);
      });

      it('repairs a view exactly as it was seen, once, with everything that is derived from it', async () => {
        const wrong = sampleView(1, { seq: 4, status: 'running', labels: { team: 'red' } });
        const right = sampleView(1, { seq: 4, status: 'success', labels: { team: 'ops' } });
        await fill(wrong);
        expect(await store.replace(right, { ...wrong, seq: 5 })).toBe(false);
        const both = await Promise.all([store.replace(right, wrong), other.replace(right, wrong)]);
        expect(both.filter((written) => written)).toHaveLength(1);
        expect(await other.get('acme', runId(1))).toEqual(right);
        expect(await listed({ status: ['success'] })).toEqual([runId(1)]);
        expect(await listed({ status: ['running'] })).toEqual([]);
        expect(await listed({ label: { key: 'team', value: 'ops' } })).toEqual([runId(1)]);
        expect(await listed({ label: { key: 'team', value: 'red' } })).toEqual([]);
        expect(await store.replace(sampleView(2), sampleView(2))).toBe(false);
        expect(await store.get('acme', runId(2))).toBeUndefined();
      });

      it('refuses an update of a view that is not there', async () => {
        expect(await store.put(sampleView(1, { seq: 5 }), 4)).toBe(false);
        expect(await store.get('acme', runId(1))).toBeUndefined();
      });

      it('answers per view, and writes the others', async () => {
        await fill(sampleView(1), sampleView(3));
        const writes = [
          { view: sampleView(1, { seq: 3 }), expectedSeq: 2 },
          { view: sampleView(2), expectedSeq: 7 },
          { view: sampleView(3, { seq: 3 }), expectedSeq: 1 },
          { view: sampleView(4), expectedSeq: 0 },
        ];
        expect(await store.putMany(writes)).toEqual([true, false, false, true]);
        expect(await listed({})).toEqual([runId(4), runId(3), runId(1)]);
        expect(await store.putMany([])).toEqual([]);
      });

      it('takes several writes of one run in their order', async () => {
        const writes = [0, 2, 2, 3].map((expectedSeq, n) => ({
          view: sampleView(1, { seq: 2 + n }),
          expectedSeq,
        }));
        expect(await store.putMany(writes)).toEqual([true, true, false, true]);
        expect((await other.get('acme', runId(1)))?.seq).toBe(5);
      });

      it('answers rightly for each of many that race', async () => {
        await fill(...Array.from({ length: 40 }, (_, n) => sampleView(n, { seq: 1 })));
        for (let seq = 1; seq <= 5; seq += 1) {
          const writes = Array.from({ length: 40 }, (_, n) => ({
            view: sampleView(n, { seq: seq + 1 }),
            expectedSeq: seq,
          }));
          const [one, two] = await Promise.all([store.putMany(writes), other.putMany(writes.toReversed())]);
          expect(one.map((won, n) => won !== two.toReversed()[n])).toEqual(one.map(() => true));
        }
      });

      it('lets one of two racing writers win each step', async () => {
        await fill(sampleView(1, { seq: 1 }));
        for (let seq = 1; seq <= 50; seq += 1) {
          const won = await Promise.all(
            [store, other].map((writer) => writer.put(sampleView(1, { seq: seq + 1 }), seq)),
          );
          expect(won.filter(Boolean)).toHaveLength(1);
        }
        expect((await other.get('acme', runId(1)))?.seq).toBe(51);
      });

      it('shows the newest view in lists', async () => {
        await fill(sampleView(1));
        const ended = sampleView(1, {
          seq: 3,
          status: 'error',
          error: { code: 'x', category: 'agent', title: 'T', detail: 'D', remedy: '', retryable: false },
        });
        expect(await store.put(ended, 2)).toBe(true);
        expect((await other.list({ tenant_id: 'acme', limit: 10 })).runs).toEqual([summarise(ended)]);
        expect(await listed({ status: ['running'] })).toEqual([]);
      });
    });

    describe('removing', () => {
      it('takes one view, with its labels, and leaves the rest', async () => {
        await fill(sampleView(1, { labels: { team: 'ops' } }), sampleView(2, { labels: { team: 'ops' } }));
        await store.remove('acme', runId(1));
        await store.remove('acme', runId(1));
        expect(await store.get('acme', runId(1))).toBeUndefined();
        expect(await listed({ label: { key: 'team', value: 'ops' } })).toEqual([runId(2)]);
      });

      it('does not reach into another tenant', async () => {
        await fill(sampleView(1));
        await store.remove('zeta', runId(1));
        expect(await listed({})).toEqual([runId(1)]);
      });

      it('clear takes all, and says that a rebuild is due until one was made', async () => {
        await fill(sampleView(1), sampleView(2, { tenant_id: 'zeta' }));
        await store.markRebuilt();
        expect(await other.needsRebuild()).toBe(false);
        await store.clear();
        expect(await other.needsRebuild()).toBe(true);
        expect(await listed({})).toEqual([]);
        expect(await listed({ tenant_id: 'zeta' })).toEqual([]);
      });
    });

    describe('whose runs a list shows', () => {
      beforeEach(() =>
        fill(
          sampleView(1, { user_id: 'ada' }),
          sampleView(2, { user_id: 'bob', workspace_id: 'lab' }),
          sampleView(3, { user_id: 'bob', workspace_id: 'attic' }),
          sampleView(4, { user_id: 'ada', workspace_id: 'lab' }),
          sampleView(5, { user_id: 'bob' }),
          sampleView(6, { tenant_id: 'zeta', user_id: 'ada', workspace_id: 'lab' }),
        ),
      );

      it.each<[string, Partial<ListQuery>, number[]]>([
        ['all of the tenant, and no other tenant', {}, [5, 4, 3, 2, 1]],
        ['the other tenant', { tenant_id: 'zeta' }, [6]],
        ['a tenant without runs', { tenant_id: 'none' }, []],
        ['one user', { user_id: 'ada' }, [4, 1]],
        ['one workspace', { workspace_ids: ['lab'] }, [4, 2]],
        ['a user and workspaces: either', { user_id: 'ada', workspace_ids: ['lab', 'attic'] }, [4, 3, 2, 1]],
        ['no workspace at all: the user alone', { user_id: 'bob', workspace_ids: [] }, [5, 3, 2]],
        ['neither user nor workspace', { workspace_ids: [] }, []],
        ['an unknown user', { user_id: "x' OR '1'='1" }, []],
      ])('%s', async (_name, query, runs) => {
        expect(await listed(query)).toEqual(runs.map(runId));
      });
    });

    describe('filters', () => {
      beforeEach(() =>
        fill(
          sampleView(1, { agent_id: 'ticker', agent_name: 'The Ticker', status: 'success' }),
          sampleView(2, { status: 'queued', labels: { ticket: 'T-1', team: 'ops' } }),
          sampleView(3, { status: 'error', parent_run_id: runId(1), root_run_id: runId(1), user_id: 'bob' }),
          sampleView(4, {
            status: 'success',
            labels: { ticket: 'T-2' },
            root_run_id: runId(1),
            parent_run_id: runId(3),
          }),
          sampleView(5, { labels: { ticket: 'T-1', note: 'Ünïcode 100%_' } }),
        ),
      );

      it.each<[string, Partial<ListQuery>, number[]]>([
        ['agent', { agent_id: 'ticker' }, [1]],
        ['one status', { status: ['success'] }, [4, 1]],
        ['several statuses', { status: ['success', 'queued', 'success'] }, [4, 2, 1]],
        ['no status', { status: [] }, []],
        ['parent', { parent_run_id: runId(1) }, [3]],
        ['root', { root_run_id: runId(1) }, [4, 3, 1]],
        ['label', { label: { key: 'ticket', value: 'T-1' } }, [5, 2]],
        ['label of another key', { label: { key: 'team', value: 'T-1' } }, []],
        ['label and status', { label: { key: 'ticket', value: 'T-1' }, status: ['queued'] }, [2]],
        ['text in the agent name, in any case', { q: 'tHe TICK' }, [1]],
        ['text in a label', { q: 't-1' }, [5, 2]],
        ['text beyond ASCII', { q: 'üNÏ' }, [5]],
        ['text that looks like a pattern', { q: '0%_' }, [5]],
        ['a pattern that matches no text', { q: 'T%1' }, []],
        ['a run id', { q: runId(3).toLowerCase() }, [3]],
        [
          'many together',
          { user_id: 'ada', status: ['success', 'running'], agent_id: 'hello', q: 't-' },
          [5, 4],
        ],
        ['user, root and status', { user_id: 'bob', root_run_id: runId(1), status: ['error'] }, [3]],
      ])('by %s', async (_name, query, runs) => {
        expect(await listed(query)).toEqual(runs.map(runId));
      });

      it('answer what filtering all views in memory answers', async () => {
        const rows: RunView[] = Array.from({ length: 120 }, (_, n) =>
          sampleView(100 + n, {
            user_id: ['ada', 'bob', 'eve'][n % 3] ?? '',
            workspace_id: [null, 'lab', 'attic', null][n % 4] ?? null,
            agent_id: ['hello', 'ticker'][n % 2] ?? '',
            status: (['queued', 'running', 'success', 'error', 'stopped'] as const)[n % 5] ?? 'queued',
            labels: n % 7 === 0 ? { k: 'v' } : {},
          }),
        );
        await store.clear();
        await fill(...rows);
        const query = fc.record(
          {
            user_id: fc.constantFrom('ada', 'bob'),
            workspace_ids: fc.subarray(['lab', 'attic', 'cellar']),
            agent_id: fc.constantFrom('hello', 'ticker'),
            status: fc.subarray(['queued', 'running', 'success']),
            label: fc.constant({ key: 'k', value: 'v' }),
          },
          { requiredKeys: [] },
        );
        await fc.assert(
          fc.asyncProperty(query, fc.integer({ min: 1, max: 40 }), async (filters, limit) => {
            expect(await allPages(other, { tenant_id: 'acme', limit, ...filters })).toEqual(
              rows
                .filter((row) => matches(row, filters))
                .map((row) => row.run_id)
                .reverse(),
            );
          }),
          { numRuns: 100 },
        );
      }, 60_000);
    });

    describe('pages', () => {
      it('have no gap and no repeat while runs arrive and change', async () => {
        await fill(...Array.from({ length: 95 }, (_, n) => sampleView(n + 1)));
        const seen: string[] = [];
        let cursor: string | undefined;
        let fresh = 1_000;
        for (;;) {
          const page = await other.list({
            tenant_id: 'acme',
            limit: 10,
            ...(cursor !== undefined && { cursor }),
          });
          seen.push(...page.runs.map((run) => run.run_id));
          await fill(sampleView((fresh += 1)), sampleView((fresh += 1)));
          await store.put(sampleView(3, { seq: fresh }), 2);
          if (page.next_cursor === null) break;
          cursor = page.next_cursor;
        }
        expect(seen).toEqual(Array.from({ length: 95 }, (_, n) => runId(95 - n)));
      });

      it('end exactly at the last run', async () => {
        await fill(...Array.from({ length: 20 }, (_, n) => sampleView(n + 1)));
        const first = await other.list({ tenant_id: 'acme', limit: 10 });
        const second = await other.list({ tenant_id: 'acme', limit: 10, cursor: first.next_cursor ?? '' });
        expect([first.runs.length, second.runs.length, second.next_cursor]).toEqual([10, 10, null]);
      });

      it('of a search through many runs are bounded, and together find everything', async () => {
        const quarter = subject.lookedAtPerPage * 0.6;
        const [oldest, newest] = [2, 4 * quarter - 1];
        const label = (n: number) => ({ labels: { mark: n === oldest || n === newest ? 'needle' : 'hay' } });
        for (let from = 1; from <= 4 * quarter; from += quarter)
          await fill(...Array.from({ length: quarter }, (_, i) => sampleView(from + i, label(from + i))));
        const query = { tenant_id: 'acme', q: 'needle', limit: 10 };
        expect((await other.list(query)).next_cursor).not.toBeNull();
        expect(await allPages(other, query)).toEqual([runId(newest), runId(oldest)]);
        expect(await allPages(other, { ...query, user_id: 'ada', status: ['queued', 'running'] })).toEqual([
          runId(newest),
          runId(oldest),
        ]);
      });

      it('are not made from a cursor that no list has answered', async () => {
        const { next_cursor: real } = await (async () => {
          await fill(sampleView(1), sampleView(2));
          return other.list({ tenant_id: 'acme', limit: 1 });
        })();
        const garbage = [
          '',
          'x',
          '0',
          runId(1),
          `${real}=`,
          `${real}A`,
          (real ?? '').slice(1),
          'é',
          "' OR 1=1 --",
          'A'.repeat(100_000),
        ];
        for (const cursor of garbage)
          await expect(other.list({ tenant_id: 'acme', limit: 1, cursor })).rejects.toBeInstanceOf(
            InvalidCursor,
          );
      });
    });

    describe('runs in a status', () => {
      it('come oldest first, of every tenant, page by page', async () => {
        await fill(
          sampleView(3, { status: 'running', last_event_at: '2026-11-21T10:00:03.000Z' }),
          sampleView(1, { status: 'queued', tenant_id: 'zeta' }),
          sampleView(2, { status: 'success' }),
          sampleView(4, { status: 'queued' }),
        );
        const ids = async (...args: Parameters<ViewStore['inStatus']>) =>
          (await other.inStatus(...args)).map((run) => run.run_id);
        expect(await other.inStatus(['running', 'queued'], 1)).toEqual([
          {
            tenant_id: 'zeta',
            run_id: runId(1),
            seq: 2,
            status: 'queued',
            last_event_at: '2026-11-21T10:00:01.000Z',
            parent_run_id: null,
          },
        ]);
        expect(await ids(['running', 'queued'], 10)).toEqual([1, 3, 4].map(runId));
        expect(await ids(['running', 'queued'], 2, { after_run_id: runId(1) })).toEqual([3, 4].map(runId));
        expect(await ids(['running', 'queued'], 9, { idle_since: '2026-11-21T10:00:03.000Z' })).toEqual(
          [1, 4].map(runId),
        );
        expect(await ids(['success'], 10)).toEqual([runId(2)]);
        expect(await ids([], 10)).toEqual([]);
      });
    });

    it('answers a ping', () => expect(store.ping()).resolves.toBeUndefined());
  });
}

async function allPages(store: ViewStore, query: ListQuery): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await store.list({ ...query, ...(cursor && { cursor }) });
    expect(page.runs.length).toBeLessThanOrEqual(query.limit);
    seen.push(...page.runs.map((run) => run.run_id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return seen;
}

function matches(view: RunView, query: Partial<ListQuery>): boolean {
  const { user_id: user, workspace_ids: workspaces, agent_id: agent, status, label } = query;
  const owned =
    (user === undefined && workspaces === undefined) ||
    view.user_id === user ||
    (view.workspace_id !== null && (workspaces ?? []).includes(view.workspace_id));
  return (
    owned &&
    (agent === undefined || view.agent_id === agent) &&
    (status === undefined || status.includes(view.status)) &&
    (label === undefined || view.labels[label.key] === label.value)
  );
}
