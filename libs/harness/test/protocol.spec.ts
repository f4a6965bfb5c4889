import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encodeFrame, LineSplitter, parseUpFrame, ProtocolViolation, type UpFrame } from '../src/protocol.ts';

const parse = (text: string): UpFrame => parseUpFrame(Buffer.from(text));

const frames: UpFrame[] = [
  { type: 'event', event: 'milestone', name: 'half', detail: 'of it' },
  { type: 'event', event: 'log', level: 'warn', source: 'stderr', message: 'a\nb\r\u2028c ä 🙂' },
  { type: 'call', id: '7', method: 'step', params: { name: 'x', args: [1, { a: null }] } },
  { type: 'result', ok: true, value: { deep: [true] } },
  { type: 'result', ok: false, error: { code: 'no_luck', message: 'm', retryable: true } },
];

describe('the harness protocol', () => {
  it.each(frames)('reads back what it writes: %j', (frame) => {
    const line = encodeFrame(frame);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(parse(line.slice(0, -1))).toEqual(frame);
  });

  it('fills in what may be left out', () => {
    expect(parse('{"type":"event","event":"log","message":"m"}')).toEqual({
      type: 'event',
      event: 'log',
      level: 'info',
      source: 'agent',
      message: 'm',
    });
    expect(parse('{"type":"event","event":"milestone","name":"n"}')).toMatchObject({ detail: '' });
    expect(parse('{"type":"result","ok":true}')).toEqual({ type: 'result', ok: true, value: null });
    expect(parse('{"type":"result","ok":false,"error":{"message":"m"}}')).toMatchObject({
      error: { code: 'agent_error', retryable: false },
    });
  });

  it.each([
    ['no object', '[]', 'invalid_frame'],
    ['no JSON', '{"type":', 'invalid_json'],
    ['nothing', '', 'invalid_json'],
    ['an unknown type', '{"type":"start"}', 'invalid_frame'],
    ['an unknown field', '{"type":"result","ok":true,"value":1,"__proto__":{}}', 'invalid_frame'],
    ['an unknown method', '{"type":"call","id":"1","method":"eval","params":{}}', 'invalid_frame'],
    ['an id that is a number', '{"type":"call","id":1,"method":"now","params":{}}', 'invalid_frame'],
    [
      'an id of 65 characters',
      `{"type":"call","id":"${'x'.repeat(65)}","method":"now","params":{}}`,
      'invalid_frame',
    ],
    ['params that are a list', '{"type":"call","id":"1","method":"now","params":[]}', 'invalid_frame'],
    ['an unknown level', '{"type":"event","event":"log","level":"loud","message":"m"}', 'invalid_frame'],
    [
      'a code with spaces',
      '{"type":"result","ok":false,"error":{"code":"no luck","message":"m"}}',
      'invalid_frame',
    ],
    ['ok that is a text', '{"type":"result","ok":"yes"}', 'invalid_frame'],
    ['a byte order mark', '\ufeff{"type":"result","ok":true}', 'invalid_json'],
  ])('refuses %s', (_name, text, code) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseUpFrame(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toThrow(
      expect.objectContaining({ code: 'invalid_utf8' }),
    );
  });

  it('answers noise with a violation and nothing else', () => {
    const valid = Buffer.from(encodeFrame(frames[2] as UpFrame).trimEnd());
    for (let round = 0; round < 3_000; round += 1) {
      const bytes = round % 2 ? Buffer.from(valid) : randomBytes(randomInt(1, 200));
      for (let change = randomInt(1, 4); change > 0; change -= 1)
        bytes[randomInt(bytes.length)] = randomInt(256);
      try {
        expect(['event', 'call', 'result']).toContain(parseUpFrame(bytes).type);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation);
      }
    }
  });
});

describe('LineSplitter', () => {
  it('cuts at LF only, however the bytes arrive', () => {
    const text = 'one\r\ntwo\u2028still two\n\nä🙂\nrest';
    for (let round = 0; round < 200; round += 1) {
      const splitter = new LineSplitter();
      const lines: string[] = [];
      for (let bytes = Buffer.from(text); bytes.length > 0;) {
        const take = randomInt(1, 6);
        for (const line of splitter.push(bytes.subarray(0, take))) lines.push(line.toString());
        bytes = bytes.subarray(take);
      }
      expect(lines).toEqual(['one\r', 'two\u2028still two', '', 'ä🙂']);
      expect(splitter.pending).toBe(4);
    }
  });

  it('takes a line of the limit and refuses one byte more, ended or not', () => {
    const fits = new LineSplitter(8);
    expect([...fits.push(Buffer.from('12345678\n'))].map(String)).toEqual(['12345678']);
    expect(() => [...fits.push(Buffer.from('123456789\n'))]).toThrow(
      expect.objectContaining({ code: 'frame_too_large' }),
    );
    const slow = new LineSplitter(8);
    expect([...slow.push(Buffer.from('12345'))]).toEqual([]);
    expect(() => [...slow.push(Buffer.from('6789'))]).toThrow(
      expect.objectContaining({ code: 'frame_too_large' }),
    );
  });
});
