import { describe, expect, it } from '@jest/globals';
import { AgentFailed, type AgentDefinition } from '@runledger/harness';
import type { Run, RunError } from '@runledger/run';
import { childLimits } from '../src/boundary/agent-calls.ts';
import { Prices } from '../src/budget/prices.ts';
import { retryTimer } from '../src/holding/retry-policy.ts';
import { retryAfter } from '../src/models/provider-errors.ts';

const error: RunError = {
  code: 'provider_rate_limited',
  category: 'provider',
  title: '',
  detail: '',
  remedy: '',
  retryable: true,
};
const limits = { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 20 };
const after = (
  failed_attempts: number,
  over: { cause?: unknown; chance?: number } = {},
): number | undefined => {
  const run: Pick<Run, 'attempt' | 'failed_attempts' | 'limits'> = { attempt: 3, failed_attempts, limits };
  const timer = retryTimer(run, error, over.cause, () => over.chance ?? 0.5, 0);
  return timer && Date.parse(timer.due_at);
};

describe('the pause before a retry', () => {
  it('doubles from one second to five minutes, give or take a fifth', () => {
    expect([0, 1, 2, 8, 9, 18].map((failures) => after(failures))).toEqual([
      1_000, 2_000, 4_000, 256_000, 300_000, 300_000,
    ]);
    expect([after(0, { chance: 0 }), after(0, { chance: 1 })]).toEqual([800, 1_200]);
  });

  it('is never shorter than the provider asked for', () => {
    const cause = new AgentFailed(error, { retryAfterMs: 30_000 });
    expect(after(0, { cause })).toBe(30_000);
    expect(after(8, { cause })).toBe(256_000);
  });

  it('does not come after the last attempt, nor after what cannot be retried', () => {
    expect(after(19)).toBeUndefined();
    const run = { attempt: 1, failed_attempts: 0, limits };
    expect(retryTimer(run, { ...error, retryable: false }, undefined)).toBeUndefined();
  });

  it('reads Retry-After as seconds and as a date', () => {
    const now = Date.parse('2026-11-21T10:00:00Z');
    expect(retryAfter({ 'retry-after': '7' }, now)).toBe(7_000);
    expect(retryAfter({ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, now)).toBe(30_000);
    expect(retryAfter({ 'retry-after': '999999' }, now)).toBe(3_600_000);
    for (const value of ['soon', '-5', '0'])
      expect(retryAfter({ 'retry-after': value }, now)).toBeUndefined();
    expect(retryAfter(undefined, now)).toBeUndefined();
  });
});

describe('prices', () => {
  const prices = new Prices({
    'acme/big': { input: '3', output: '15', cached_input: '0.3', max_output_tokens: 1_000 },
  });
  const call = (model: string, content: string, max_tokens?: number) =>
    prices.of({ boundary: '', model, messages: [{ role: 'user', content }], max_tokens });
  const usage = { input_tokens: 1_000, output_tokens: 100, cached_tokens: 400, cost_usd: '0' };

  it('count what was read from a cache at its own price', () => {
    expect(call('acme/big', '').cost(usage)).toBe(1_800n + 120n + 1_500n);
  });

  it('estimate no less than the answer may cost', () => {
    const answer = 15n * 1_000n;
    expect(call('acme/big', '').estimate).toBeGreaterThanOrEqual(answer);
    expect(call('acme/big', 'x'.repeat(3_000)).estimate).toBeGreaterThanOrEqual(answer + 3_000n);
    expect(call('acme/big', '', 10).max_tokens).toBe(10);
    expect(call('acme/big', '').max_tokens).toBe(1_000);
  });

  it('are the input’s for offline models, and none for a model nobody knows', () => {
    expect(call('offline/spender', '{"cost_usd_per_turn":0.05}').estimate).toBe(50_000n);
    expect(call('offline/spender', '{"cost_usd_per_turn":-1}').estimate).toBe(0n);
    expect(call('offline/hello', 'hi').estimate).toBe(0n);
    expect(call('acme/small', 'hi')).toMatchObject({ known: false, estimate: 0n });
  });

  it('come with this release, and refuse a table that is wrong', () => {
    expect(Prices.read(undefined).of({ boundary: '', model: 'openai/gpt-4o', messages: [] }).known).toBe(
      true,
    );
    expect(() => Prices.read('/nonexistent/prices.json')).toThrow(/price table \/nonexistent\/prices.json/);
  });
});

describe('limits of a child', () => {
  const parent = {
    limits: { max_turns: 10, max_cost_usd: '5', timeout_s: 100, max_attempts: 1 },
    turns: 4,
    requested_at: new Date(0).toISOString(),
  };

  it('are its definition’s, within what its caller has left', () => {
    const child = {
      limits: { max_turns: 50, timeout_s: 20, max_cost_usd: 0.5 },
    } as AgentDefinition;
    expect(childLimits(parent, child, 30_000)).toEqual({
      max_turns: 6,
      max_cost_usd: '0.5',
      timeout_s: 20,
      max_attempts: 3,
    });
    expect(childLimits(parent, undefined, 90_500)).toEqual({
      max_turns: 6,
      max_cost_usd: null,
      timeout_s: 10,
      max_attempts: 3,
    });
  });
});
