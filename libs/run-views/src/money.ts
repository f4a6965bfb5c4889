/** Sums of decimal strings, exact: money never passes through a floating-point number on its way to a total. */

const DECIMAL = /^(-?)(\d{1,30})(?:\.(\d{1,30}))?$/;

interface Scaled {
  units: bigint;
  /** Digits after the point. */
  scale: number;
}

/** `left + right` without trailing zeros. What is no plain decimal counts as zero. */
export function addDecimal(left: unknown, right: unknown): string {
  const a = parse(left);
  const b = parse(right);
  const scale = Math.max(a.scale, b.scale);
  return format({ units: at(a, scale) + at(b, scale), scale });
}

function parse(value: unknown): Scaled {
  const match = typeof value === 'string' ? DECIMAL.exec(value) : null;
  if (!match) return { units: 0n, scale: 0 };
  const [, sign, whole = '0', fraction = ''] = match;
  const units = BigInt(whole + fraction);
  return { units: sign ? -units : units, scale: fraction.length };
}

const at = ({ units, scale }: Scaled, target: number): bigint => units * 10n ** BigInt(target - scale);

function format({ units, scale }: Scaled): string {
  const sign = units < 0n ? '-' : '';
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return fraction ? `${sign}${whole}.${fraction}` : `${sign}${whole}`;
}
