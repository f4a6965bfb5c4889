import type { ModelUsage, PaidCall } from '@runledger/harness';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { costOf, micros } from './micros.ts';

/** Answers are cut here when a limit of money is in force and neither the call nor the table says how long they may be. */
const MAX_OUTPUT_TOKENS = 8_192;
/** Few models need more than one token for three bytes of text. */
const BYTES_PER_TOKEN = 3;

const Amount = z.string().refine((value) => micros(value) !== undefined, 'must be an amount such as "0.15"');
const PriceTable = z.record(
  z.string().regex(/^[^\s/]+\/\S+$/, 'must be provider/model'),
  z.strictObject({
    input: Amount,
    output: Amount,
    cached_input: Amount.optional(),
    max_output_tokens: z.int().min(1).optional(),
  }),
);

/** US dollars per million tokens, by `provider/model`. */
export type PriceTable = z.infer<typeof PriceTable>;

/** What one call may cost at most, and what it did cost, in millionths of a dollar. */
export interface Price {
  known: boolean;
  estimate: bigint;
  max_tokens: number | undefined;
  cost: (usage: ModelUsage) => bigint;
}

/** Prices of models: the table of this release, with the operator's own in front. */
export class Prices {
  constructor(private readonly table: PriceTable) {}

  /** Throws one Error that names the file and what is wrong with it. */
  static read(overrides: string | undefined): Prices {
    const table = parse(fileURLToPath(new URL('../../prices.json', import.meta.url)));
    return new Prices(overrides ? { ...table, ...parse(overrides) } : table);
  }

  of(call: PaidCall): Price {
    if (call.model.startsWith('offline/')) return offlinePrice(call);
    const entry = Object.hasOwn(this.table, call.model) ? this.table[call.model] : undefined;
    if (!entry) return { known: false, estimate: 0n, max_tokens: undefined, cost: () => 0n };
    const [input, output] = [micros(entry.input) ?? 0n, micros(entry.output) ?? 0n];
    const cached = entry.cached_input === undefined ? input : (micros(entry.cached_input) ?? input);
    const maxTokens = call.max_tokens ?? entry.max_output_tokens ?? MAX_OUTPUT_TOKENS;
    const promptTokens = Buffer.byteLength(JSON.stringify(call.messages)) / BYTES_PER_TOKEN;
    return {
      known: true,
      estimate: costOf(promptTokens, input > cached ? input : cached) + costOf(maxTokens, output),
      max_tokens: maxTokens,
      cost: (usage) =>
        costOf(usage.input_tokens - usage.cached_tokens, input) +
        costOf(usage.cached_tokens, cached) +
        costOf(usage.output_tokens, output),
    };
  }
}

/** Offline models cost what the input of the run says (`cost_usd_per_turn`), or nothing. */
function offlinePrice({ messages }: PaidCall): Price {
  const cost = costPerTurn(messages.find((message) => message.role === 'user')?.content);
  return { known: true, estimate: cost, max_tokens: undefined, cost: () => cost };
}

function costPerTurn(content: unknown): bigint {
  if (typeof content !== 'string' || !content.startsWith('{')) return 0n;
  try {
    const value = (JSON.parse(content) as { cost_usd_per_turn?: unknown }).cost_usd_per_turn;
    if (typeof value === 'number' && value >= 0 && value < 1e9) return micros(value.toFixed(6)) ?? 0n;
    return (typeof value === 'string' ? micros(value) : undefined) ?? 0n;
  } catch {
    return 0n;
  }
}

function parse(path: string): PriceTable {
  try {
    return PriceTable.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new Error(`the price table ${path} cannot be used: ${problem}`, { cause: error });
  }
}
