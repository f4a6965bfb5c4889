import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { randomBytes } from 'node:crypto';
import { RefusedUses } from '../src/audit/refused-uses.ts';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

const START = '/agents/run-code/start';

describe('secrets that a gateway is given', () => {
  let gateway: RunningGateway;
  let app: NestFastifyApplication | undefined;
  const log: string[] = [];
  const answers: string[] = [];
  const env = `canary-${randomBytes(12).toString('hex')}`;
  const basic = Buffer.from(`canary:${randomBytes(12).toString('hex')}`).toString('base64');
  let secrets: string[];

  beforeAll(async () => {
    gateway = await startGateway({ log: (line) => log.push(line), beforeInit: (made) => (app = made) });
  });
  afterAll(() => gateway.stop());

  const ask: typeof call = async (method, path, options) => {
    const answer = await call(method, gateway.url + path, options);
    answers.push(answer.text, ...[...answer.headers].filter(([name]) => name !== 'set-cookie').flat());
    return answer;
  };

  it('are used in every way that there is', async () => {
    const key = await gateway.key();
    const created = await call('POST', `${gateway.url}/api-keys`, {
      key,
      body: { name: 'x', scopes: ['runs:start', 'runs:read', 'keys:write'] },
    });
    const made = String(created.body.api_key);
    const rotated = await call('POST', `${gateway.url}/api-keys/${made.split('_')[2] ?? ''}/rotate`, { key });
    const next = String(rotated.body.api_key);
    const session = await call('POST', `${gateway.url}/session`, { key: next });
    const cookie = session.headers.get('set-cookie')?.split(';')[0] ?? '';
    const csrf = String(session.body.csrf_token);
    secrets = [key, made, next].map((text) => text.split('_')[3] ?? '');
    secrets.push(cookie.split('_')[3] ?? '', csrf, env, basic);
    expect(secrets.every((secret) => secret.length > 10)).toBe(true);

    const body = { agent_id: 'ticker', env: { TOKEN: env } };
    const started = await ask('POST', START, { key: next, body, headers: { 'idempotency-key': 'once' } });
    expect(started.status).toBe(202);
    const run = `/runs/${String(started.body.run_id)}`;
    await ask('POST', START, { headers: { cookie, 'x-csrf-token': csrf }, body });
    const reader = await SseClient.open(`${gateway.url}${run}/stream`, { cookie });
    await reader.until((it) => it.ids.includes(1));
    answers.push(reader.text);
    reader.close();
    for (const path of [run, `${run}/events`, '/runs', '/me', '/api-keys', '/audit', '/agents'])
      await ask('GET', path, { key: next });
    for (const path of ['/metrics', '/openapi.json', '/readyz']) await ask('GET', path);
  });

  it('and abused in every way that there is', async () => {
    const [first] = secrets;
    const broken = `rl_live_0123456789abcdef_${first ?? ''}_00000000`;
    await ask('GET', '/me', { key: broken });
    await ask('GET', `/me?api_key=${broken}`, { headers: { 'x-api-key': broken } });
    await ask('GET', `/runs/${broken}`, { key: broken });
    await ask('GET', '/me', { headers: { authorization: `Basic ${basic}` } });
    await ask('GET', '/nowhere', {
      headers: { authorization: `Bearer ${first ?? ''}` },
    });
    const wrongEnv = { agent_id: 'ticker', env: { TOKEN: [env] }, envv: env };
    const key = await gateway.key();
    await ask('GET', `/runs/${broken}`, { key });
    await ask('POST', START, { key, body: wrongEnv });
    await ask('POST', START, { key, raw: `{"env":{"TOKEN":"${env}"` });
    await ask('POST', START, { key, body: { agent_id: 'nothing', env: { TOKEN: env } } });
    await ask('DELETE', '/session', {
      headers: { cookie: `runledger_session=rs_0123456789abcdef_${first ?? ''}_0` },
    });
    await app?.get(RefusedUses).flush();
  });

  it('are in no answer, log, stream, view, bucket or dead letter', async () => {
    const stored = await everyStoredByte();
    expect(stored).toContain('"agent_id":"ticker"');
    expect(log.join('')).toContain('ready');
    for (const [place, text] of Object.entries({ answers: answers.join('\n'), log: log.join('\n'), stored }))
      for (const secret of secrets) expect([place, text.includes(secret)]).toEqual([place, false]);
  });

  async function everyStoredByte(): Promise<string> {
    const jsm = await gateway.connection.jsm();
    let text = '';
    for await (const { config, state } of jsm.streams.list())
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
        const message = await jsm.streams.getMessage(config.name, { seq }).catch(() => null);
        if (message)
          text += `${message.subject} ${JSON.stringify([...message.header])} ${message.string()}\n`;
      }
    return text;
  }
});
