import { Kvm } from '@nats-io/kv';
import { agentKey } from '@runledger/wire';
import { AccountWatch, inUse } from '../account-watch.ts';
import { type Cell, startCell } from '../cell.ts';
import type { Drill, Figures } from '../drill.ts';
import { type Fault, type FaultyModel, startFaultyModel } from '../faulty-model.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { MoneyAudit } from '../money-audit.ts';
import { priceTable } from '../price-table.ts';
import { allEnded, checkLog, checkViews } from '../verdict.ts';

/** Seconds: a call as a whole with its repeats, and without a byte. */
const [CALL_S, SILENCE_S] = [15, 3];
const ATTEMPTS = 2;
/** What one try and its three repeats cost in waiting, at most, and the wait between two attempts. */
const [REPEATS_S, BETWEEN_S] = [9, 2];
const MARGIN_S = 20;
const ENGINES = ['llm', 'code'] as const;

interface Expected {
  fault: Fault;
  /** Undefined: the run succeeds. */
  code?: string;
  /** Requests of each attempt. */
  requests: number;
  attempts: number;
}

const EXPECTED: readonly Expected[] = [
  { fault: 'healthy', requests: 1, attempts: 1 },
  { fault: 'busy-twice', requests: 3, attempts: 1 },
  { fault: 'broken-once', requests: 2, attempts: 1 },
  { fault: 'busy', code: 'provider_rate_limited', requests: 4, attempts: ATTEMPTS },
  { fault: 'broken', code: 'provider_unavailable', requests: 4, attempts: ATTEMPTS },
  { fault: 'reset', code: 'provider_unavailable', requests: 4, attempts: ATTEMPTS },
  { fault: 'unauthorized', code: 'provider_auth', requests: 1, attempts: 1 },
  { fault: 'hang', code: 'provider_timeout', requests: 1, attempts: ATTEMPTS },
  { fault: 'trickle', code: 'provider_timeout', requests: 1, attempts: ATTEMPTS },
  { fault: 'half', code: 'provider_failed', requests: 1, attempts: ATTEMPTS },
  { fault: 'garbage', code: 'provider_failed', requests: 1, attempts: ATTEMPTS },
  { fault: 'flood', code: 'provider_reply_too_large', requests: 1, attempts: 1 },
];

interface Case extends Expected {
  model: string;
  run_id: string;
}

/** Row 24: whatever a model's endpoint does, it is asked a bounded number of times and the run has a visible end. */
export const providerFaults: Drill = {
  name: 'provider-faults',
  rows: '24',
  title: 'a model endpoint that refuses, fails, hangs, trickles, breaks off, talks garbage or never stops',
  async run({ cleanup, figures, long, say }) {
    const model = await startFaultyModel(cleanup);
    const cases = allCases(long ? 5 : 1);
    const prices = cases.map((one) => [`custom/${one.model}`, PRICE] as const);
    const cell = await startCell(cleanup, {
      env: {
        RUNLEDGER_MODEL_BASE_URL: model.url,
        RUNLEDGER_MODEL_API_KEY: 'drill',
        RUNLEDGER_MODEL_TIMEOUT_S: String(CALL_S),
        RUNLEDGER_MODEL_SILENCE_S: String(SILENCE_S),
        RUNLEDGER_MODEL_REPLY_MIB: '1',
        RUNLEDGER_MODEL_PRICES: await priceTable(cleanup, Object.fromEntries(prices)),
      },
    });
    await seed(cell, cases);
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const money = new MoneyAudit();
    const lives = new Map<string, { from: number; to: number }>();
    const audit = new LogAudit(cell.broker, (run, line) => {
      money.take(run, line);
      const at = Date.parse(line.at);
      lives.set(run.run_id, { from: lives.get(run.run_id)?.from ?? at, to: at });
    });
    const accounts = await AccountWatch.on(cell.broker, cleanup);
    await Promise.all(
      cases.map(async (one) => {
        one.run_id = await load.start({ agent_id: `drill-${idOf(one)}`, input: { message: 'Hello.' } }, true);
      }),
    );
    say(`${cases.length} runs were started`);
    await allEnded(figures, audit, 120_000);
    await load.observersDone(60_000);
    await accounts.read();
    checkCases(figures, cases, audit, model);
    const longest = [...lives.values()].map(({ from, to }) => (to - from) / 1_000);
    const most = ATTEMPTS * Math.max(CALL_S, REPEATS_S) + BETWEEN_S + MARGIN_S;
    figures.atMost('the longest life of a run', Math.max(...longest), most, 's');
    checkMoney(figures, cases, accounts, money);
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    await checkViews(figures, cell, audit);
  },
};

/** An answer of 5 tokens costs 0.05 USD; 0.10 are reserved for it. */
const PRICE = { input: '0', output: '10000', max_output_tokens: 10 };

function allCases(times: number): Case[] {
  return EXPECTED.flatMap((one) =>
    ENGINES.flatMap((engine) =>
      Array.from({ length: times }, (_, index) => ({
        ...one,
        model: `${one.fault}.${engine}.${index}`,
        run_id: '',
      })),
    ),
  );
}

const idOf = ({ model }: Case): string => model.replaceAll('.', '-');

async function seed(cell: Cell, cases: readonly Case[]): Promise<void> {
  const agents = await new Kvm(cell.broker.js).open('agents');
  for (const one of cases) {
    const agent_id = `drill-${idOf(one)}`;
    const kind = one.model.split('.')[1];
    const agent = {
      agent_id,
      name: agent_id,
      description: 'One model call.',
      kind,
      model: `custom/${one.model}`,
      limits: { max_attempts: ATTEMPTS, max_cost_usd: 0.1 },
      ...(kind === 'code' ? { code: `export default (input, tools) => tools.callLlm('Hello.');` } : {}),
    };
    await agents.put(agentKey('local', agent_id), JSON.stringify(agent));
  }
}

function checkCases(figures: Figures, cases: readonly Case[], audit: LogAudit, model: FaultyModel): void {
  const shown = (one: Case, what: string): string => `${one.model}: ${what}`;
  const wrong = (judge: (one: Case) => string | undefined): string[] =>
    cases.flatMap((one) => {
      const found = judge(one);
      return found === undefined ? [] : [shown(one, found)];
    });
  for (const { fault, code } of EXPECTED) {
    const own = cases.filter((one) => one.fault === fault);
    const asked = own.map((one) => model.requests.get(one.model) ?? 0).join(', ');
    figures.tell(`${fault}: ${code ?? 'success'}`, `requests ${asked}`);
  }
  figures.none(
    'runs with another end',
    wrong((one) => {
      const run = audit.runs.get(one.run_id);
      const code = (run?.error as { code?: string } | undefined)?.code;
      const good = one.code === undefined ? run?.end === 'run.succeeded' : code === one.code;
      return good ? undefined : `${run?.end} ${code ?? ''}`;
    }),
  );
  figures.none(
    'runs with another number of attempts',
    wrong((one) => {
      const attempts = audit.runs.get(one.run_id)?.attempts.length ?? 0;
      return attempts === one.attempts ? undefined : String(attempts);
    }),
  );
  figures.none(
    'models asked another number of times',
    wrong((one) => {
      const asked = model.requests.get(one.model) ?? 0;
      return asked === one.requests * one.attempts ? undefined : String(asked);
    }),
  );
}

/** What failed is not paid for, and nothing stays reserved for it. */
function checkMoney(
  figures: Figures,
  cases: readonly Case[],
  accounts: AccountWatch,
  money: MoneyAudit,
): void {
  const states = cases.map((one) => ({ one, state: accounts.of(one.run_id) }));
  figures.none(
    'accounts with another sum than the log',
    states
      .filter(({ one, state }) => (state?.spent ?? 0) !== (money.spent.get(one.run_id) ?? 0))
      .map(({ one, state }) => `${one.model}: ${state?.spent} / ${money.spent.get(one.run_id)}`),
  );
  figures.none(
    'reservations left',
    states.filter(({ state }) => (state?.reserved.size ?? 0) > 0).map(({ one }) => one.model),
  );
  figures.none(
    'recorded states with more in use than the limit',
    accounts.states
      .filter((state) => inUse(state) > state.limit)
      .map(({ root, revision }) => `${root}@${revision}`),
  );
}
