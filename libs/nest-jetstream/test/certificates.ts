import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Just enough DER and X.509 for a broker and its clients: ECDSA on P-256, version 3, one day. */

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
};
const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const bits = (body: Uint8Array): Buffer => der(0x03, Buffer.from([0]), body);
const TRUE = der(0x01, Buffer.from([0xff]));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(text)))));
const instant = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`));
const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [TRUE] : []), der(0x04, value));

export interface Certificate {
  name: string;
  key: KeyObject;
  /** Paths of PEM files. */
  certFile: string;
  keyFile: string;
}

export interface Wanted {
  /** Without: it signs itself, and may sign others. */
  issuer?: Certificate;
  dnsNames?: string[];
  /** IPv4. */
  addresses?: string[];
}

function extensionsOf({ issuer, dnsNames = [], addresses = [] }: Wanted): Buffer[] {
  if (!issuer) return [extension('551d13', true, sequence(TRUE))];
  const names = [
    ...dnsNames.map((name) => der(0x82, Buffer.from(name))),
    ...addresses.map((address) => der(0x87, Buffer.from(address.split('.').map(Number)))),
  ];
  return names.length > 0 ? [extension('551d11', false, sequence(...names))] : [];
}

/** Makes a key and its certificate in `folder`. */
export async function makeCertificate(
  folder: string,
  name: string,
  wanted: Wanted = {},
): Promise<Certificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const extensions = extensionsOf(wanted);
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_SHA256,
    nameOf(wanted.issuer?.name ?? name),
    sequence(instant(now - 3_600_000), instant(now + 86_400_000)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  );
  const signature = sign('sha256', content, wanted.issuer?.key ?? privateKey);
  const text = sequence(content, ECDSA_SHA256, bits(signature)).toString('base64');
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  await writeFile(
    certFile,
    `-----BEGIN CERTIFICATE-----\n${text.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  );
  await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return { name, key: privateKey, certFile, keyFile };
}
