import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCredentials } from '../src/credentials.ts';

let root: string;
let deep: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'runledger-cli-'));
  deep = join(root, 'a', 'b');
  await mkdir(deep, { recursive: true });
  await mkdir(join(root, '.runledger'));
  await mkdir(join(root, 'elsewhere'));
  await writeFile(
    join(root, '.runledger', 'dev-key'),
    '{"url":"http://localhost:8080","api_key":"rl_local_1"}',
  );
  await writeFile(
    join(root, 'elsewhere', 'dev-key'),
    '{"url":"http://localhost:9090","api_key":"rl_local_2"}\n',
  );
});
afterAll(() => rm(root, { recursive: true }));

describe('credentials', () => {
  it('come from flags before the environment', async () => {
    const env = { RUNLEDGER_URL: 'http://env', RUNLEDGER_API_KEY: 'env-key' };
    expect(await findCredentials({}, env, deep)).toEqual({
      url: 'http://env',
      apiKey: 'env-key',
      source: 'RUNLEDGER_URL, RUNLEDGER_API_KEY',
    });
    const flags = { url: 'http://flag', apiKey: 'flag-key' };
    expect(await findCredentials(flags, env, deep)).toMatchObject({ url: 'http://flag', apiKey: 'flag-key' });
  });

  it('come from the data folder of this folder or one above', async () => {
    expect(await findCredentials({}, {}, deep)).toEqual({
      url: 'http://localhost:8080',
      apiKey: 'rl_local_1',
      source: join(root, '.runledger', 'dev-key'),
    });
    expect(await findCredentials({}, { RUNLEDGER_HOME: '../../elsewhere' }, deep)).toMatchObject({
      apiKey: 'rl_local_2',
    });
  });

  it('never send the local key to another address', async () => {
    await expect(findCredentials({ url: 'https://evil.example' }, {}, deep)).rejects.toThrow(
      /RUNLEDGER_API_KEY/,
    );
    expect(await findCredentials({ url: 'http://localhost:8080/' }, {}, deep)).toMatchObject({
      apiKey: 'rl_local_1',
    });
  });

  it('say how to configure where there are none', async () => {
    const env = { RUNLEDGER_HOME: join(root, 'nothing') };
    await expect(findCredentials({}, env, deep)).rejects.toThrow(
      /npm start.*RUNLEDGER_URL and RUNLEDGER_API_KEY/,
    );
    await writeFile(join(root, 'elsewhere', 'dev-key'), 'rubbish');
    await expect(findCredentials({}, { RUNLEDGER_HOME: join(root, 'elsewhere') }, deep)).rejects.toThrow(
      /does not hold/,
    );
  });
});
