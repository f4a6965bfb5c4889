import { describe, expect, it } from '@jest/globals';
import { LAYOUT } from '@runledger/proto';
import {
  admissionKey,
  agentKey,
  ALL_DUE,
  ALL_RUNS,
  ALL_WORK,
  auditOf,
  auditSubject,
  bucketSubject,
  deadSubject,
  dueSubject,
  hashKey,
  holderSubject,
  liveSubject,
  ownedKey,
  ownedKeys,
  parseRunSubject,
  parseWorkSubject,
  poolWork,
  Poison,
  queueKey,
  runSubject,
  timerSubject,
  workSubject,
} from '../src/index.ts';
import { RUN_ID } from './sample-events.ts';

const BAD = ['', 'a.b', '*', '>', 'a b', 'a\r\n', 'a'.repeat(300), 'é'];

/** NATS matching: `*` is one token, `>` the rest. */
function matches(pattern: string, subject: string): boolean {
  const given = subject.split('.');
  const wanted = pattern.split('.');
  if (wanted.at(-1) === '>')
    return (
      given.length >= wanted.length &&
      wanted.slice(0, -1).every((token, at) => token === '*' || token === given[at])
    );
  return given.length === wanted.length && wanted.every((token, at) => token === '*' || token === given[at]);
}

describe('subjects', () => {
  it.each([
    ['runs.*.*', runSubject('acme', RUN_ID), `runs.acme.${RUN_ID}`],
    ['live.runs.>', liveSubject('acme', RUN_ID), `live.runs.acme.${RUN_ID}`],
    ['work.>', workSubject('default', 'acme', RUN_ID), `work.default.acme.${RUN_ID}`],
    ['timers.>', timerSubject('retry', 'acme', RUN_ID, 't1'), `timers.retry.acme.${RUN_ID}.t1`],
    ['due.>', dueSubject('retry', 'acme', RUN_ID, 't1'), `due.retry.acme.${RUN_ID}.t1`],
    ['dead.>', deadSubject('run-scheduler', 'admit'), 'dead.run-scheduler.admit'],
    ['audit.*.*', auditSubject('acme', 'ada'), 'audit.acme.ada'],
    ['holder.*', holderSubject('agent-executor-1'), 'holder.agent-executor-1'],
  ])('%s of the layout covers %s', (listed, subject, text) => {
    expect(subject).toBe(text);
    const covering = LAYOUT.subjects
      .filter((entry) => matches(entry.subject, subject))
      .map((entry) => entry.subject);
    expect(covering).toEqual([listed]);
  });

  it('every subject of the layout has a builder here', () => {
    expect(LAYOUT.subjects.map(({ subject }) => subject).sort()).toEqual(
      ['runs.*.*', 'live.runs.>', 'work.>', 'timers.>', 'due.>', 'dead.>', 'holder.*', 'audit.*.*'].sort(),
    );
  });

  it('filters cover what they are for', () => {
    expect(matches(ALL_RUNS, runSubject('acme', RUN_ID))).toBe(true);
    expect(matches(ALL_WORK, workSubject('default', 'acme', RUN_ID))).toBe(true);
    expect(matches(ALL_DUE, dueSubject('retry', 'acme', RUN_ID, 't1'))).toBe(true);
    expect(matches(poolWork('gpu'), workSubject('gpu', 'acme', RUN_ID))).toBe(true);
    expect(matches(poolWork('gpu'), workSubject('default', 'acme', RUN_ID))).toBe(false);
    expect(matches(auditOf('acme'), auditSubject('acme', 'ada'))).toBe(true);
    expect(matches(auditOf('acme', 'bob'), auditSubject('acme', 'ada'))).toBe(false);
    expect(matches(ownedKeys('acme'), ownedKey('acme', 'ada', 'k1'))).toBe(true);
    expect(matches(ownedKeys('acme', 'ada'), ownedKey('acme', 'ada', 'k1'))).toBe(true);
    expect(matches(ownedKeys('acme', 'bob'), ownedKey('acme', 'ada', 'k1'))).toBe(false);
  });

  it('keys of buckets are tokens joined by dots', () => {
    expect(admissionKey('acme', RUN_ID)).toBe(`acme.${RUN_ID}`);
    expect(agentKey('acme', 'hello')).toBe('acme.hello');
    expect(queueKey('acme', 'ada')).toBe('acme.ada');
    expect(hashKey('a'.repeat(64))).toBe('a'.repeat(64));
    expect(bucketSubject('admission', 'acme.>')).toBe('$KV.admission.acme.>');
  });

  it.each(BAD)('no builder takes %j in any place', (bad) => {
    const builders: (() => string)[] = [
      () => runSubject(bad, RUN_ID),
      () => runSubject('acme', bad),
      () => liveSubject(bad, RUN_ID),
      () => liveSubject('acme', bad),
      () => workSubject(bad, 'acme', RUN_ID),
      () => workSubject('default', bad, RUN_ID),
      () => workSubject('default', 'acme', bad),
      () => poolWork(bad),
      () => timerSubject(bad, 'acme', RUN_ID, 't1'),
      () => timerSubject('retry', bad, RUN_ID, 't1'),
      () => timerSubject('retry', 'acme', bad, 't1'),
      () => timerSubject('retry', 'acme', RUN_ID, bad),
      () => dueSubject('retry', 'acme', RUN_ID, bad),
      () => holderSubject(bad),
      () => deadSubject(bad, 'admit'),
      () => deadSubject('run-scheduler', bad),
      () => admissionKey(bad, RUN_ID),
      () => admissionKey('acme', bad),
      () => agentKey(bad, 'hello'),
      () => agentKey('acme', bad),
      () => queueKey(bad, 'ada'),
      () => queueKey('acme', bad),
      () => auditSubject(bad, 'ada'),
      () => auditSubject('acme', bad),
      () => auditOf(bad),
      () => auditOf('acme', bad),
      () => ownedKey(bad, 'ada', 'k1'),
      () => ownedKey('acme', bad, 'k1'),
      () => ownedKey('acme', 'ada', bad),
      () => ownedKeys(bad),
      () => ownedKeys('acme', bad),
      () => hashKey(bad),
      () => bucketSubject(bad, 'x'),
    ];
    for (const build of builders) expect(build).toThrow(Poison);
  });

  it('parse to what they were built from', () => {
    const address = { tenant_id: 'acme', run_id: RUN_ID };
    expect(parseRunSubject(runSubject('acme', RUN_ID))).toEqual(address);
    expect(parseRunSubject(liveSubject('acme', RUN_ID))).toEqual(address);
    expect(parseWorkSubject(workSubject('gpu', 'acme', RUN_ID))).toEqual({ pool: 'gpu', ...address });
  });

  it.each([
    '',
    'runs',
    'runs.acme',
    `runs.acme.${RUN_ID}.x`,
    `live.live.runs.acme.${RUN_ID}`,
    `work.acme.${RUN_ID}`,
    'runs.acme.x',
    `runs..${RUN_ID}`,
    `Runs.acme.${RUN_ID}`,
  ])('parse refuses %j', (subject) => {
    expect(() => parseRunSubject(subject)).toThrow(Poison);
    expect(() => parseWorkSubject(subject)).toThrow(Poison);
  });
});
