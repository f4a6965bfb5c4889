import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readSettings } from '../src/index.ts';

describe('settings', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'runledger-settings-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it('have defaults for everything in the profile local', () => {
    const settings = readSettings({ RUNLEDGER_HOME: home });
    expect(settings).toMatchObject({
      home,
      natsUrl: 'nats://127.0.0.1:4222',
      port: 8080,
      host: '127.0.0.1',
      opsPort: 0,
      leaseS: 15,
      slots: 16,
      pool: 'default',
      rootRuns: 256,
      rootRunsPerTenant: 10_000,
      rootRunsPerUser: 10,
      rootRunsPerAgent: 10_000,
      rootRunsPerKey: 1,
      modelTimeoutS: 900,
      modelSilenceS: 240,
      modelReplyMib: 64,
      agentMemoryMib: 1_024,
      agentProcesses: 64,
      sandbox: 'none',
      sandboxRead: [],
      logLevel: 'info',
      profile: 'local',
    });
    expect(settings).not.toHaveProperty('mongodbUrl');
    expect(settings.secretKey).toHaveLength(32);
  });

  it('come from the environment, and an empty variable is an absent one', () => {
    const env = {
      RUNLEDGER_HOME: home,
      RUNLEDGER_PROFILE: 'production',
      RUNLEDGER_NATS_URL: 'tls://a:4222,tls://b:4222',
      RUNLEDGER_MONGODB_URL: 'mongodb://h1:27017,h2:27017/runledger',
      RUNLEDGER_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      RUNLEDGER_PORT: '0',
      RUNLEDGER_SLOTS: '',
      RUNLEDGER_MODEL_BASE_URL: 'http://127.0.0.1:11434/v1',
    };
    expect(readSettings(env)).toMatchObject({
      profile: 'production',
      host: '0.0.0.0',
      natsUrl: 'tls://a:4222,tls://b:4222',
      mongodbUrl: 'mongodb://h1:27017,h2:27017/runledger',
      port: 0,
      slots: 16,
      modelBaseUrl: 'http://127.0.0.1:11434/v1',
      secretKey: Buffer.alloc(32, 7),
    });
    expect(readSettings({ ...env, RUNLEDGER_SECRET_KEY: '0A'.repeat(32) }).secretKey).toEqual(
      Buffer.alloc(32, 10),
    );
  });

  it('hold who the service is at the broker, as absolute paths', () => {
    const read = (more: NodeJS.ProcessEnv): unknown => readSettings({ RUNLEDGER_HOME: home, ...more });
    expect(
      read({
        RUNLEDGER_NATS_NKEY: 'a.nk',
        RUNLEDGER_NATS_CA: '/ca.pem',
        RUNLEDGER_NATS_CERT: '/c.pem',
        RUNLEDGER_NATS_KEY: '/k.pem',
      }),
    ).toMatchObject({
      natsNkey: join(process.cwd(), 'a.nk'),
      natsCa: '/ca.pem',
      natsCert: '/c.pem',
      natsKey: '/k.pem',
    });
    expect(() => read({ RUNLEDGER_NATS_NKEY: 'a', RUNLEDGER_NATS_CREDENTIALS: 'b' })).toThrow(
      'RUNLEDGER_NATS_NKEY and RUNLEDGER_NATS_CREDENTIALS exclude each other',
    );
    expect(() => read({ RUNLEDGER_NATS_CERT: 'a' })).toThrow(
      'RUNLEDGER_NATS_CERT and RUNLEDGER_NATS_KEY need each other',
    );
  });

  it('names every wrong variable at once, and repeats no secret', () => {
    const read = (): unknown =>
      readSettings({
        RUNLEDGER_HOME: home,
        RUNLEDGER_PORT: '80a',
        RUNLEDGER_OPS_PORT: '65536',
        RUNLEDGER_LEASE_S: '-1',
        RUNLEDGER_SLOTS: '1.5',
        RUNLEDGER_POOL: 'a.b',
        RUNLEDGER_LOG: 'loud',
        RUNLEDGER_PROFILE: 'staging',
        RUNLEDGER_NATS_URL: 'http://word:4222',
        RUNLEDGER_MONGODB_URL: 'postgres://user:hidden-word@h',
        RUNLEDGER_SECRET_KEY: 'hidden-key',
      });
    for (const name of [
      'PORT',
      'OPS_PORT',
      'LEASE_S',
      'SLOTS',
      'POOL',
      'LOG',
      'PROFILE',
      'NATS_URL',
      'MONGODB_URL',
      'SECRET_KEY',
    ])
      expect(read).toThrow(new RegExp(`RUNLEDGER_${name} must`));
    expect(read).not.toThrow(/hidden/);
  });

  it('production needs its secret key and its broker', () => {
    const read = (): unknown => readSettings({ RUNLEDGER_HOME: home, RUNLEDGER_PROFILE: 'production' });
    expect(read).toThrow(/RUNLEDGER_SECRET_KEY is required/);
    expect(read).toThrow(/RUNLEDGER_NATS_URL is required/);
  });

  it('the local key is made once, for its owner only, and all readers agree', async () => {
    const made = readSettings({ RUNLEDGER_HOME: join(home, 'new', 'folder') }).secretKey;
    expect(readSettings({ RUNLEDGER_HOME: join(home, 'new', 'folder') }).secretKey).toEqual(made);
    const path = join(home, 'new', 'folder', 'secret-key');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readFile(path, 'utf8')).trim()).toBe(made.toString('hex'));
    await writeFile(path, 'half a k');
    expect(() => readSettings({ RUNLEDGER_HOME: join(home, 'new', 'folder') })).toThrow(
      /secret-key does not hold 32 bytes/,
    );
  });
});
