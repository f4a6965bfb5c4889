import { cacheFolder, findBroker, startLocalBroker, type LocalBroker } from '@runledger/local-servers';

export interface BrokerToUse {
  url: string;
  /** Ends it if it is ours. */
  stop(): Promise<void>;
}

/** The broker named by `RUNLEDGER_NATS_URL`, or a private one in the data folder. */
export async function brokerToUse(
  env: NodeJS.ProcessEnv,
  home: string,
  say: (line: string) => void,
): Promise<BrokerToUse> {
  if (env['RUNLEDGER_NATS_URL']) return { url: env['RUNLEDGER_NATS_URL'], stop: async () => undefined };
  const found = await findBroker({ cacheDir: cacheFolder(), log: say, env });
  const broker: LocalBroker = await startLocalBroker({
    binary: found.path,
    home,
    log: say,
    onExit: (end) =>
      say(
        end.restarts
          ? 'the broker ended by itself; starting it again'
          : `the broker stays down: ${end.reason ?? 'unknown'}`,
      ),
  });
  say(`broker nats-server ${found.version} (${found.how}) on ${broker.url}`);
  return { url: broker.url, stop: () => broker.stop() };
}
