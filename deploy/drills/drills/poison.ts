import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { directPage } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { type Cell, startCell } from '../cell.ts';
import type { Drill } from '../drill.ts';
import { Load } from '../load.ts';
import { type AuditedRun, LogAudit } from '../log-audit.ts';
import { allEnded, checkLog, checkSuccess, checkViews, share, spread } from '../verdict.ts';

const ULID_LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SMALL = { agent_id: 'burst', input: { count: 1, bytes: 10 } };
/** The bound on a machine that does nothing else is 1 s. */
const MOST_DELAY_S = 5;

interface Junk {
  subject: string;
  payload: Uint8Array | string;
  headers?: Record<string, string>;
}

/** Row 15: what can never be handled is put aside with its reason and holds nobody up. */
export const poison: Drill = {
  name: 'poison',
  rows: '15',
  title: 'an administrator publishes junk on the subjects of runs and of work',
  async run({ cleanup, figures, say, long }) {
    const messages = long ? 10_000 : 1_000;
    const cell = await startCell(cleanup);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    for (let run = 0; run < 10; run += 1) await load.start(SMALL, true);
    await waitFor(async () => (await audit.read()).unended().length === 0, {
      timeoutMs: 60_000,
      describe: 'calm',
    });
    const calm = delays(audit);
    let throwing = true;
    const healthy = (async () => {
      for (let run = 0; throwing || run < 10; run += 1) {
        await load.start(SMALL, true);
        await pause(200);
      }
    })();
    // Should the junk fail, that is what is to be told.
    healthy.catch(() => undefined);
    const stored = await throwJunk(cell, messages).finally(() => (throwing = false));
    await healthy;
    say(`${stored.size} junk messages were stored`);
    let buried = new Set<string>();
    await waitFor(
      async () => {
        buried = await buriedIn(cell);
        return [...stored].every((name) => buried.has(name));
      },
      { timeoutMs: 120_000, everyMs: 500, describe: 'all junk to be buried' },
    ).catch(() => undefined);
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    const under = delays(audit).slice(calm.length);
    figures.exactly('junk messages stored', stored.size, messages);
    figures.none(
      'junk that is not in DEAD',
      [...stored].filter((name) => !buried.has(name)),
    );
    figures.none(
      'in DEAD without being junk',
      [...buried].filter((name) => !stored.has(name)),
    );
    figures.tell('start to first attempt, before', spread(calm));
    figures.tell('start to first attempt, meanwhile', spread(under));
    figures.atMost('delay of healthy traffic (p99)', share(under, 0.99) / 1_000, MOST_DELAY_S, 's');
    figures.exactly(
      'left on the work queue',
      (await (await cell.broker.jsm()).streams.info('WORK')).state.messages,
      0,
    );
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

const delays = (audit: LogAudit): number[] =>
  [...audit.runs.values()].flatMap((run: AuditedRun) =>
    run.attempts.slice(0, 1).map((one) => one.silence_ms),
  );

/** Publishes it and answers where each was stored: `<stream>#<sequence>`. */
async function throwJunk(cell: Cell, messages: number): Promise<Set<string>> {
  const stored = new Set<string>();
  for (let index = 0; index < messages; index += 1) {
    const junk = makeJunk(index);
    const ack = await cell.broker.js.publish(junk.subject, junk.payload, {
      ...(junk.headers === undefined ? {} : { headers: headersOf(junk.headers) }),
      timeout: 20_000,
    });
    stored.add(`${ack.stream}#${ack.seq}`);
  }
  return stored;
}

function headersOf(values: Record<string, string>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(values)) made.set(name, value);
  return made;
}

const PAYLOADS: readonly (() => Uint8Array | string)[] = [
  () => randomBytes(200),
  () => '{"seq":1,',
  () => '',
  () => '{"__proto__":{"dispatch":1},"constructor":{"prototype":{}}}',
  () => '['.repeat(10_000),
  () => JSON.stringify({ dispatch: 'one' }),
  () => JSON.stringify({ seq: 1, type: 'run.requested', at: 'never', run_id: 7, attempt: -1, data: [] }),
  () => randomBytes(12_000),
  () => '\u0000\ufffd\r\n\r\n',
  () => 'null',
];

/** Alternately for the log and for the queue, each on a subject of its own. */
function makeJunk(index: number): Junk {
  const id = `01${[...randomBytes(24)].map((byte) => ULID_LETTERS[byte % 32]).join('')}`;
  const payload = PAYLOADS[index % PAYLOADS.length]?.() ?? '';
  if (index % 2 === 0)
    return { subject: `work.default.local.${index % 20 === 0 ? 'no-run' + index : id}`, payload };
  if (index % 5 === 0) return { subject: `runs.local.not-a-run-${index}`, payload };
  const pretends = index % 3 === 0;
  const first: Record<string, string> = pretends
    ? { 'Run-First': '1', 'Run-Last': '9', 'Run-Schema': '99', 'Run-Types': 'run.requested' }
    : { 'Run-First': 'x' };
  return { subject: `runs.local.${id}`, payload, headers: first };
}

async function buriedIn(cell: Cell): Promise<Set<string>> {
  const buried = new Set<string>();
  const last = (await (await cell.broker.jsm()).streams.info('DEAD')).state.last_seq;
  for (let next = 1; next <= last;) {
    const page = await directPage(cell.broker.nc, 'DEAD', { seq: next, next_by_subj: 'dead.>' }, 10_000);
    for (const { text, seq } of page) {
      const letter = JSON.parse(text) as { stream: string; stream_seq: number };
      buried.add(`${letter.stream}#${letter.stream_seq}`);
      next = seq + 1;
    }
    if (page.length === 0) break;
  }
  return buried;
}
