import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DraftEvent } from '@runledger/run';
import { foldEvents, type RunView } from '@runledger/run-views';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { chainDigest, decodeEvent } from '@runledger/wire';
import { type Answer, call, faults } from './calls.ts';
import { Tree } from './played-holder.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('open approvals', () => {
  let gateway: RunningGateway;
  let views: ViewStore;
  let tree: Tree;
  beforeAll(async () => {
    gateway = await startGateway();
    views = await openViewStore(gateway.settings);
    tree = new Tree(gateway.runLog);
  });
  afterAll(async () => {
    await views.close();
    await gateway.stop();
  });

  const start = async (key: string): Promise<string> =>
    String(
      (await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' } })).body
        .run_id,
    );
  /** What the reconciler would have written by now. */
  const writeView = async (run_id: string): Promise<void> => {
    const { lines } = await gateway.runLog.page({ tenant_id: 'acme', run_id }, 0, 1_000);
    const text = lines.map(({ line }) => line);
    const view = { ...(foldEvents(text.map(decodeEvent)) as RunView), digest: chainDigest('', text) };
    await views.put(view, (await views.get('acme', run_id))?.seq ?? 0);
  };
  const approval = (approval_id: string): DraftEvent => ({
    type: 'approval.requested',
    data: {
      approval_id,
      call_id: `call of ${approval_id}`,
      name: 'Bash',
      args: { command: 'rm -rf /' },
      args_sha256: 'c'.repeat(64),
      reason: 'writes outside of its folder',
      severity: 'high',
      due_at: '2027-01-01T00:00:00.000Z',
      policy_ids: [],
    },
  });
  /** A run of this key's user that waits for these. */
  const asking = async (key: string, ...ids: string[]): Promise<string> => {
    const holder = await tree.begin(await start(key));
    await holder.record(...ids.map(approval));
    await holder.park('approval');
    await writeView(holder.run_id);
    return holder.run_id;
  };
  const list = (key: string, query = ''): Promise<Answer> =>
    call('GET', `${gateway.url}/approvals${query}`, { key });
  const idsOf = (answer: Answer): string[] =>
    (answer.body.approvals as { approval_id: string }[]).map(({ approval_id }) => approval_id);

  it('are those of the own runs, with what is asked, until they are decided', async () => {
    const key = await gateway.key({ user_id: 'dora' });
    expect(await list(key)).toMatchObject({ status: 200, body: { approvals: [], next_cursor: null } });
    const first = await asking(key, 'a1', 'a2');
    const second = await asking(key, 'b1');
    await writeView(await start(key));
    await asking(await gateway.key({ user_id: 'emil' }), 'x1');
    const answer = await list(key);
    expect(idsOf(answer)).toEqual(['b1', 'a1', 'a2']);
    expect((answer.body.approvals as unknown[])[1]).toEqual({
      run_id: first,
      agent_id: 'ticker',
      agent_name: 'Ticker',
      seq: 3,
      approval_id: 'a1',
      call_id: 'call of a1',
      name: 'Bash',
      args_preview: '{"command":"rm -rf /"}',
      args_sha256: 'c'.repeat(64),
      reason: 'writes outside of its folder',
      severity: 'high',
      requested_at: expect.any(String),
      due_at: '2027-01-01T00:00:00.000Z',
    });
    const decided = await call('POST', `${gateway.url}/runs/${first}/approvals/a1`, {
      key,
      body: { decision: 'deny' },
    });
    expect(decided.status).toBe(202);
    // The view of the run is not of now: what is open is read from the log.
    expect(idsOf(await list(key))).toEqual(['b1', 'a2']);
    const run = await call('GET', `${gateway.url}/runs/${second}`, { key });
    expect(run.body.open_approvals).toMatchObject([{ approval_id: 'b1' }]);
    await call('POST', `${gateway.url}/runs/${second}/stop`, { key });
    expect(idsOf(await list(key))).toEqual(['a2']);
  });

  it('come page by page, none left out', async () => {
    const key = await gateway.key({ user_id: 'fred' });
    for (const id of ['1', '2', '3', '4', '5']) {
      await asking(key, id);
      await writeView(await start(key));
    }
    const found: string[] = [];
    let pages = 0;
    for (let cursor = ''; ; pages++) {
      const answer = await list(key, `?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      found.push(...idsOf(answer));
      if (answer.body.next_cursor === null) break;
      cursor = answer.body.next_cursor as string;
    }
    expect(found).toEqual(['5', '4', '3', '2', '1']);
    expect(pages).toBeGreaterThan(1);
  });

  it('refuse what is no page', async () => {
    const key = await gateway.key();
    expect(faults(await list(key, '?limit=0'))).toEqual(['query /limit']);
    expect((await list(key, '?cursor=nonsense')).body.code).toBe('invalid_cursor');
    expect((await list(await gateway.key({ scopes: ['runs:start'] }))).status).toBe(403);
  });
});
