/** US dollars as whole millionths: sums and comparisons are exact. */

const DECIMAL = /^(\d{1,12})(?:\.(\d{1,30}))?$/;
const MICROS = 1_000_000n;

/** `"0.0312"` as millionths, rounded up; undefined when it is no amount. */
export function micros(usd: string): bigint | undefined {
  const match = DECIMAL.exec(usd);
  if (!match) return undefined;
  const [, whole = '0', fraction = ''] = match;
  const rest = /[1-9]/.test(fraction.slice(6)) ? 1n : 0n;
  return BigInt(whole) * MICROS + BigInt(fraction.slice(0, 6).padEnd(6, '0')) + rest;
}

/** Millionths as a decimal string without trailing zeros. */
export function usd(amount: bigint): string {
  const fraction = (amount % MICROS).toString().padStart(6, '0').replace(/0+$/, '');
  return `${amount / MICROS}${fraction ? `.${fraction}` : ''}`;
}

/** `tokens` at a price in millionths per million tokens, rounded up to a millionth. */
export function costOf(tokens: number, perMillion: bigint): bigint {
  const exact = BigInt(Math.max(0, Math.ceil(tokens))) * perMillion;
  return (exact + MICROS - 1n) / MICROS;
}
