import { describe, expect, it } from '@jest/globals';
import { runSubject } from '@runledger/wire';
import { setTimeout as pause } from 'node:timers/promises';
import { directPage, LogUnavailable } from '../src/index.ts';
import { startLogServer } from './log-server.ts';
import { someAddress } from './samples.ts';

describe('a page of the log', () => {
  it('of a connection that is closed is refused at once, and nothing is thrown later', async () => {
    const server = await startLogServer();
    const { nc } = server.broker;
    const { tenant_id, run_id } = someAddress();
    const query = { seq: 1, next_by_subj: runSubject(tenant_id, run_id) };
    expect(await directPage(nc, 'RUNS', query, 50)).toEqual([]);
    await server.close();
    const thrown: unknown[] = [];
    const note = (error: unknown): unknown => thrown.push(error);
    process.on('uncaughtException', note);
    try {
      await expect(directPage(nc, 'RUNS', query, 50)).rejects.toThrow(LogUnavailable);
      // Its time for an answer is over by then.
      await pause(100);
      expect(thrown).toEqual([]);
    } finally {
      process.off('uncaughtException', note);
    }
  });
});
