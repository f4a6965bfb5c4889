const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const BITS = 5n;
const LENGTH = 26;

/** A ULID as the 16 bytes that it is. */
export function ulidBytes(text: string): Buffer {
  let value = 0n;
  for (const digit of text) value = (value << BITS) | BigInt(DIGITS.indexOf(digit));
  return Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
}

export function ulidText(bytes: Buffer): string {
  let value = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let digit = 0; digit < LENGTH; digit += 1, value >>= BITS)
    text = `${DIGITS[Number(value & 31n)] ?? ''}${text}`;
  return text;
}
