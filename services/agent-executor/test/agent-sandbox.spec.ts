import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { whySandboxFails } from '@runledger/harness';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { Engines } from '../src/engines/engines.ts';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { codeAgent, processAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startModelEndpoint } from './model-endpoint.ts';
import { startExecutor } from './test-executor.ts';

const unusable = whySandboxFails({ network: false, read: [] });

(unusable === undefined ? describe : describe.skip)('agents in a sandbox', () => {
  let cell: Cell;
  let executor: RunningService;

  beforeAll(async () => {
    cell = await Cell.start();
    executor = await startExecutor(cell, { sandbox: 'bwrap' });
  });
  afterAll(async () => {
    await executor.close();
    await cell.stop();
  });

  it.each(['hello-code', 'echo-process'])('the sample %s runs as without', async (agent_id) => {
    const agent = SAMPLE_AGENTS.find((sample) => sample.agent_id === agent_id);
    if (!agent) throw new Error(`there is no sample ${agent_id}`);
    const end = await cell.ended(await cell.start(agent, { message: 'hi' }));
    expect(end.type).toBe('run.succeeded');
  });

  it('an agent has its models, though it has no network', async () => {
    const endpoint = await startModelEndpoint();
    try {
      const body = `const own = await fetch(process.env.OPENAI_BASE_URL).then(() => 'reached', () => 'refused');
        return [own, (await tools.callLlm('hi')).text];`;
      const env_vars = [{ key: 'OPENAI_BASE_URL', value: endpoint.url }];
      const agent = codeAgent('shut-in', body, { model: 'custom/m', env_vars });
      const end = await cell.ended(await cell.start(agent, {}));
      expect(end.data.result).toEqual(['refused', 'you said: hi']);
    } finally {
      await endpoint.close();
    }
  });

  it('a program that is not there is a failure of the agent', async () => {
    const end = await cell.ended(await cell.start(processAgent('nowhere', ['/nonexistent/agent']), {}));
    expect(end.data.error).toMatchObject({
      code: 'agent_exit',
      detail: expect.stringMatching(/nonexistent\/agent.*No such file/),
    });
  });

  it('a kill ends it', async () => {
    const body = `tools.milestone('spinning'); await tools.now(); for (;;);`;
    const address = await cell.start(codeAgent('spinner', body), {});
    await cell.until(address, (event) => event.data.name === 'spinning');
    await cell.requestStop(address, 'kill');
    expect((await cell.ended(address)).type).toBe('run.stopped');
    await waitFor(async () => (await cell.outstandingWork()) === 0, { describe: 'no work is left' });
  });
});

describe('an executor without the sandbox that it is to have', () => {
  it('does not start, and says why', () => {
    const settings = { sandbox: 'bwrap', sandboxRead: ['/etc/passwd/nothing'] } as const;
    expect(() => new Engines(settings)).toThrow(
      /^RUNLEDGER_SANDBOX is bwrap, and bubblewrap does not work here: /,
    );
  });
});
