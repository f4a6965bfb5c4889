import { randomBytes } from 'node:crypto';
import { connect } from '@nats-io/transport-node';
import { startBroker, type TestBroker, type TestBrokerOptions } from './broker.ts';
import { freePort } from './free-port.ts';
import { waitFor } from './wait-for.ts';

const SIZE = 3;
/** Three servers that share two busy cores take their time to agree on a leader. */
const START_MS = 60_000;

/** Three real brokers on loopback that replicate their streams. */
export interface TestCluster {
  /** All servers, separated by commas. */
  readonly url: string;
  readonly servers: readonly TestBroker[];
  /** The server that leads a stream now. */
  leaderOf(stream: string): Promise<TestBroker>;
  /** Kills them and removes what was made. */
  stop(): Promise<void>;
}

/** `config` and `access` as of `startBroker`, the same for all three. */
export async function startCluster(
  options: Pick<TestBrokerOptions, 'config' | 'access'> = {},
): Promise<TestCluster> {
  const routePorts = await Promise.all(Array.from({ length: SIZE }, () => freePort()));
  const routes = routePorts.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const name = `cluster-${randomBytes(6).toString('hex')}`;
  const starting = routePorts.map((port) =>
    startBroker({
      ...options,
      startTimeoutMs: START_MS,
      config: `cluster { name: ${name}, listen: "127.0.0.1:${port}", routes: [${routes}] }\n${options.config ?? ''}`,
    }),
  );
  const started = await Promise.allSettled(starting);
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  const cluster = new Cluster(servers, options.access);
  if (!failed) return cluster;
  await cluster.stop();
  throw failed.reason;
}

class Cluster implements TestCluster {
  constructor(
    readonly servers: readonly TestBroker[],
    private readonly access: TestBrokerOptions['access'],
  ) {}

  get url(): string {
    return this.servers.map((server) => server.url).join(',');
  }

  async leaderOf(stream: string): Promise<TestBroker> {
    return waitFor(
      async () => {
        const servers = this.servers.map((server) => server.url);
        const nc = await connect({ ...this.access, servers, timeout: 2_000 });
        try {
          const answer = await nc.request(`$JS.API.STREAM.INFO.${stream}`, undefined, { timeout: 2_000 });
          const { cluster } = answer.json<{ cluster?: { leader?: string } }>();
          return this.servers.find((server) => server.name === cluster?.leader);
        } finally {
          await nc.close();
        }
      },
      { timeoutMs: START_MS, everyMs: 200, describe: `${stream} to have a leader` },
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}
