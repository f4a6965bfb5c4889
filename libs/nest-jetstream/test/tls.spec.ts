import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PERMISSIONS } from '@runledger/proto';
import { startBroker, temporaryFolder, type TemporaryFolder, type TestBroker } from '@runledger/testkit';
import {
  authorizationConf,
  type Broker,
  type BrokerOptions,
  connectBroker,
  inboxPrefix,
  makeIdentity,
} from '../src/index.ts';
import { type Certificate, makeCertificate, type Wanted } from './certificates.ts';

const OPERATOR = { user: 'operator', pass: 'operator-word' };

describe('B5: a broker with TLS', () => {
  let folder: TemporaryFolder;
  let authority: Certificate;
  let stranger: Certificate;
  let client: Certificate;
  let seedFile: string;
  let encrypted: TestBroker;
  let mutual: TestBroker;
  let plain: TestBroker;
  let byAddress: TestBroker;
  let misnamed: TestBroker;

  beforeAll(async () => {
    folder = await temporaryFolder();
    authority = await makeCertificate(folder.path, 'authority');
    stranger = await makeCertificate(folder.path, 'stranger');
    client = await makeCertificate(folder.path, 'client', { issuer: authority });
    const identity = await makeIdentity(folder.path, 'gateway');
    seedFile = identity.seedFile;
    const users = authorizationConf([{ ...identity, permissions: PERMISSIONS.gateway }], {
      more: [`{ user: ${OPERATOR.user}, password: ${OPERATOR.pass} }`],
    });
    const tls = {
      // Whether it answers is looked at by address, and is not what is tested here.
      checkServerIdentity: () => undefined,
      ca: await readFile(authority.certFile, 'utf8'),
      cert: await readFile(client.certFile, 'utf8'),
      key: await readFile(client.keyFile, 'utf8'),
    };
    const secured = async (name: string, wanted: Wanted, more = ''): Promise<TestBroker> => {
      const { certFile, keyFile } = await makeCertificate(folder.path, name, {
        issuer: authority,
        ...wanted,
      });
      const files = `cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}"`;
      return startBroker({
        config: `${users}\ntls { ${files} ${more} }`,
        access: { ...OPERATOR, tls },
      });
    };
    const names = { dnsNames: ['localhost'] };
    encrypted = await secured('server', names);
    mutual = await secured('mutual', names, ', verify: true');
    byAddress = await secured('address', { addresses: ['127.0.0.1'] });
    misnamed = await secured('elsewhere', { dnsNames: ['elsewhere.example'], addresses: ['127.0.0.2'] });
    plain = await startBroker({ config: users, access: OPERATOR });
  }, 60_000);
  afterAll(async () => {
    for (const server of [encrypted, mutual, plain, byAddress, misnamed]) await server.stop();
    await folder.remove();
  });

  const attempt = async (
    server: TestBroker,
    security: Partial<BrokerOptions>,
    host = 'localhost',
  ): Promise<Broker> =>
    connectBroker({
      url: `tls://${host}:${server.port}`,
      name: 'gateway',
      nkey: seedFile,
      inboxPrefix: inboxPrefix('gateway'),
      waitMs: 1_500,
      ...security,
    });

  it('is used when its certificate is of its name, or its address, and signed by the CA', async () => {
    for (const [server, host] of [
      [encrypted, 'localhost'],
      [byAddress, '127.0.0.1'],
    ] as const) {
      const broker = await attempt(server, { ca: authority.certFile }, host);
      expect(broker.nc.info?.tls_required).toBe(true);
      // Its own replies reach it.
      await expect(broker.nc.request('$JS.API.STREAM.INFO.RUNS')).resolves.toBeDefined();
      await broker.close();
    }
  });

  it('is refused when somebody else signed its certificate, or nobody whom Node knows', async () => {
    await expect(attempt(encrypted, { ca: stranger.certFile })).rejects.toThrow(/certificate/i);
    await expect(attempt(encrypted, {})).rejects.toThrow(/certificate/i);
  });

  it.each(['localhost', '127.0.0.1'])(
    'is refused as %s when its certificate is of another name',
    async (host) => {
      await expect(attempt(misnamed, { ca: authority.certFile }, host)).rejects.toThrow(/altnames/i);
    },
  );

  it('a broker without TLS is refused, and is told nothing', async () => {
    await expect(attempt(plain, { ca: authority.certFile })).rejects.toThrow(/tls/i);
    await expect(attempt(plain, {})).rejects.toThrow(/tls/i);
    expect(plain.output()).not.toMatch(/Authentication|Authorization/);
  });

  it('asks us for a certificate, takes the one that its CA signed and no other', async () => {
    const ca = authority.certFile;
    const broker = await attempt(mutual, { ca, cert: client.certFile, key: client.keyFile });
    expect(broker.nc.info?.tls_verify).toBe(true);
    await broker.close();
    await expect(attempt(mutual, { ca })).rejects.toThrow(/within 1500 ms/);
    await expect(attempt(mutual, { ca, cert: stranger.certFile, key: stranger.keyFile })).rejects.toThrow(
      /within 1500 ms/,
    );
  });

  it('a file that is missing, or is no seed, is an error at once that names it', async () => {
    const missing = join(folder.path, 'missing');
    await expect(attempt(encrypted, { ca: missing })).rejects.toThrow(
      `the CA of the broker cannot be read: ${missing}`,
    );
    await expect(attempt(encrypted, { nkey: missing })).rejects.toThrow(
      `the nkey cannot be read: ${missing}`,
    );
    await expect(attempt(encrypted, { nkey: client.certFile })).rejects.toThrow(/is not the seed of a user/);
    await expect(attempt(encrypted, { cert: client.certFile })).rejects.toThrow(/needs its key/);
  });
});
