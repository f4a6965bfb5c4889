import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunledgerClient } from '@runledger/client';
import { waitFor } from '@runledger/testkit';
import { startCell, type Cell } from './cell.ts';

const CANARY = 'canary-7d1f0c';

/** Files of the system that hold these bytes. */
async function filesWith(text: string, ...folders: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders)
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const bytes = entry.isFile() ? await readFile(path).catch(() => undefined) : undefined;
      if (bytes?.includes(text)) found.push(path);
    }
  return found;
}

/** Three reconcilers; one of them is killed while it erases. */
describe('erasing a run', () => {
  let cell: Cell;
  let ann: RunledgerClient;
  let key: string;

  beforeAll(async () => {
    cell = await startCell({ replicas: 3 });
    ann = await cell.client('ann');
    key = await cell.key('ann');
  }, 120_000);
  afterAll(() => cell.stop());

  const ended = (runId: string): Promise<Run> =>
    waitFor(async () => ann.getRun(runId).then((run) => (run.completed_at ? run : undefined)), {
      timeoutMs: 30_000,
      describe: `run ${runId} to end`,
    });
  const erase = (runId: string): Promise<Response> =>
    fetch(`${cell.url}/runs/${runId}`, { method: 'DELETE', headers: { authorization: `Bearer ${key}` } });
  const start = (agent_id: string, input: Record<string, string | number>, idempotencyKey: string) =>
    ann.start({ agent_id, input, labels: { mark: CANARY }, env: { TOKEN: CANARY } }, { idempotencyKey });

  it('leaves none of its bytes in any file within a minute, though a reconciler is killed meanwhile', async () => {
    const large = `${CANARY} `.repeat(6_000);
    const runs = await Promise.all([
      start('hello', { message: CANARY }, 'k1'),
      // Larger than an event may be: a blob.
      start('burst', { count: 20, bytes: 100, note: large }, 'k2'),
      start('hello', { message: CANARY }, 'k3'),
    ]);
    const sibling = await ann.start({ agent_id: 'hello', input: { message: 'a sibling' } });
    await Promise.all([...runs, sibling].map(({ run_id }) => ended(run_id)));
    const before = await ann.getRun(sibling.run_id);
    await waitFor(async () => (await ann.listRuns({})).runs.length === 4, { describe: 'all views' });
    expect((await filesWith(CANARY, cell.server.storeDir, cell.home)).length).toBeGreaterThanOrEqual(3);

    for (const { run_id } of runs) expect((await erase(run_id)).status).toBe(202);
    await cell.of('reconciler')[0]?.end('SIGKILL');
    for (const { run_id } of runs)
      await expect(ann.getRun(run_id)).rejects.toMatchObject({ status: 410, code: 'run_erased' });
    expect((await ann.listRuns({})).runs.map((run) => run.run_id)).toEqual([sibling.run_id]);
    await waitFor(async () => (await filesWith(CANARY, cell.server.storeDir, cell.home)).length === 0, {
      timeoutMs: 60_000,
      everyMs: 500,
      describe: 'every byte to be overwritten',
    });
    for (const { run_id } of runs) {
      const answer = await waitFor(
        async () => {
          const body = (await (await erase(run_id)).json()) as { status: string; erased_at: string | null };
          return body.status === 'erased' && body;
        },
        { timeoutMs: 60_000, everyMs: 200, describe: `${run_id} to be erased` },
      );
      expect(Date.parse(answer.erased_at ?? '')).not.toBeNaN();
    }
    expect(await ann.getRun(sibling.run_id)).toEqual(before);
    const again = await start('hello', { message: CANARY }, 'k1');
    expect(runs.map((run) => run.run_id)).not.toContain(again.run_id);
  }, 180_000);
});
