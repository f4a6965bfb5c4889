import { join } from 'node:path';
import { cacheFolder, findBroker, startLocalBroker, type LocalBroker } from '@runledger/local-servers';
import { authorizationOf, type Identities, makeIdentities } from './identities.ts';

export interface BrokerToUse {
  url: string;
  /** Who each service is at the private broker, which knows nobody else. */
  identities?: Identities;
  /** Ends it if it is ours. */
  stop(): Promise<void>;
}

/** The broker named by `RUNLEDGER_NATS_URL`, or a private one in the data folder, with executors of `pool`. */
export async function brokerToUse(
  env: NodeJS.ProcessEnv,
  { home, pool }: { home: string; pool: string },
  say: (line: string) => void,
): Promise<BrokerToUse> {
  if (env['RUNLEDGER_NATS_URL']) return { url: env['RUNLEDGER_NATS_URL'], stop: async () => undefined };
  const found = await findBroker({ cacheDir: cacheFolder(), log: say, env });
  const identities = await makeIdentities(join(home, 'identities'));
  const broker: LocalBroker = await startLocalBroker({
    binary: found.path,
    home,
    authorization: authorizationOf(identities, [pool]),
    log: say,
    onExit: (end) =>
      say(
        end.restarts
          ? 'the broker ended by itself; starting it again'
          : `the broker stays down: ${end.reason ?? 'unknown'}`,
      ),
  });
  say(`broker nats-server ${found.version} (${found.how}) on ${broker.url}`);
  return { url: broker.url, identities, stop: () => broker.stop() };
}
