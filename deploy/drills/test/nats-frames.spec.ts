import { describe, expect, it } from '@jest/globals';
import { type Frame, FrameReader, headerOf, isLeaderRead, publishAnswer } from '../nats-frames.ts';

const HEADERS = 'NATS/1.0\r\nRun-Commit: abc\r\nRun-First: 1\r\n\r\n';
const hpub = (payload: string): string =>
  `HPUB runs.t.r _INBOX.1 ${HEADERS.length} ${HEADERS.length + Buffer.byteLength(payload)}\r\n${HEADERS}${payload}\r\n`;
const message = (payload: string): string => `MSG _INBOX.1 7 ${Buffer.byteLength(payload)}\r\n${payload}\r\n`;
const read = (text: string): Frame[] => new FrameReader().push(Buffer.from(text));

describe('frames of the NATS protocol', () => {
  it('are the same however the bytes are cut, and lose none', () => {
    const text = `INFO {"port":1}\r\nPING\r\n${hpub('a\r\nMSG b')}${message('ü')}+OK\r\nMSG a.b 1 reply 0\r\n\r\n`;
    const whole = read(text);
    expect(whole.map((frame) => frame.verb)).toEqual(['INFO', 'PING', 'HPUB', 'MSG', '+OK', 'MSG']);
    expect(Buffer.concat(whole.map((frame) => frame.bytes)).toString()).toBe(text);
    for (const size of [1, 2, 3, 7, 20]) {
      const reader = new FrameReader();
      const bytes = Buffer.from(text);
      const cut: Frame[] = [];
      for (let at = 0; at < bytes.length; at += size)
        cut.push(...reader.push(Buffer.from(bytes.subarray(at, at + size))));
      expect(cut).toEqual(whole);
    }
  });

  it('carry headers and payload', () => {
    const [frame] = read(hpub('a\r\nb'));
    if (frame === undefined) throw new Error('no frame');
    expect(frame.args.slice(0, 2)).toEqual(['runs.t.r', '_INBOX.1']);
    expect(headerOf(frame, 'Run-Commit')).toBe('abc');
    expect(headerOf(frame, 'Nats-Rollup')).toBe('');
    expect(frame.payload.toString()).toBe('a\r\nb');
  });

  it.each([
    ['{"stream":"RUNS","seq":12}', { stream: 'RUNS', seq: 12, err_code: 0 }],
    [
      '{"error":{"code":400,"err_code":10071},"stream":"RUNS","seq":0}',
      { stream: 'RUNS', seq: 0, err_code: 10071 },
    ],
    ['{"type":"io.nats.jetstream.api.v1.stream_info_response","stream":"RUNS"}', undefined],
    ['{"dispatch":1}', undefined],
    ['{"stream":', undefined],
    ['', undefined],
  ])('%s is told apart as the answer to a publish', (payload, answer) => {
    const [frame] = read(message(payload));
    expect(frame && publishAnswer(frame)).toEqual(answer);
  });

  it('are told apart as the answer of a leader', () => {
    const [leader] = read(
      message('{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{}}'),
    );
    const [other] = read(message('{"stream":"RUNS","seq":1}'));
    expect([leader && isLeaderRead(leader), other && isLeaderRead(other)]).toEqual([true, false]);
  });

  it('knows an answer about one commit that was asked for directly, and a page', () => {
    const of = (more: string): Frame | undefined => {
      const headers = `NATS/1.0\r\nNats-Stream: RUNS\r\nNats-Sequence: 3\r\n${more}\r\n`;
      const text = `HMSG _INBOX.1 1 ${headers.length} ${headers.length + 2}\r\n${headers}{}\r\n`;
      return new FrameReader().push(Buffer.from(text))[0];
    };
    const [one, paged] = [of(''), of('Nats-Num-Pending: 4\r\n')];
    expect([one && isLeaderRead(one), paged && isLeaderRead(paged)]).toEqual([true, false]);
  });
});
