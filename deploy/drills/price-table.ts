import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@runledger/testkit';
import type { Cleanup } from './cleanup.ts';

export type Price = Readonly<{ input: string; output: string; max_output_tokens: number }>;

/** A file of prices by `provider/model`, as RUNLEDGER_MODEL_PRICES wants it. */
export async function priceTable(cleanup: Cleanup, prices: Readonly<Record<string, Price>>): Promise<string> {
  const folder = await temporaryFolder('runledger-drill-prices-');
  cleanup.add('prices', () => folder.remove());
  const path = join(folder.path, 'prices.json');
  await writeFile(path, JSON.stringify(prices));
  return path;
}
