import { describe, expect, it } from '@jest/globals';
import { serviceLog } from '../src/index.ts';

function logged(write: (log: ReturnType<typeof serviceLog>) => void): string {
  let text = '';
  write(
    serviceLog({
      service: 'gateway',
      instance: 'i-1',
      level: 'info',
      destination: { write: (line) => void (text += line) },
    }),
  );
  return text;
}

describe('the log of a service', () => {
  it('is JSON lines with time, level, service and instance', () => {
    expect(JSON.parse(logged((log) => log.info({ run_id: 'r' }, 'hello')))).toMatchObject({
      level: 'info',
      service: 'gateway',
      instance: 'i-1',
      run_id: 'r',
      msg: 'hello',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('never holds credentials: by field, by form, in requests, in URLs', () => {
    const secret = 'abcdefghijKLMNOPQRST0123456789';
    const text = logged((log) => {
      log.info({ headers: { authorization: `Bearer ${secret}` } }, 'a');
      log.info({ settings: { secretKey: secret } }, 'b');
      log.info(
        { req: { id: '1', method: 'GET', url: `/runs?q=${secret}`, headers: { 'x-api-key': secret } } },
        'c',
      );
      log.error({ error: new Error(`refused rl_live_k1_${secret}_0a1b2c3d`) }, `sent Bearer ${secret}`);
      log.info(`mongodb://user:${secret}@host/db`);
    });
    expect(text).not.toContain(secret);
    expect(text.split('\n').filter(Boolean)).toHaveLength(5);
    expect(text).toContain('"path":"/runs"');
  });
});
