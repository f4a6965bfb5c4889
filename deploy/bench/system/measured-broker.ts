import { freePort, startBroker, type TestBroker } from '@runledger/testkit';

export interface MeasuredBroker {
  url: string;
  port: number;
  pid: number;
  version: string;
  /** What the broker has taken in and given out since it started. */
  traffic(): Promise<Traffic>;
  stop(): Promise<void>;
}

export interface Traffic {
  in_msgs: number;
  out_msgs: number;
  /** Requests to the JetStream API: reads, pulls, looks at streams. */
  api: number;
}

/** A broker of the bench's own that syncs every write, with its counters open. */
export async function startMeasuredBroker(): Promise<MeasuredBroker> {
  const monitor = await freePort();
  const server: TestBroker = await startBroker({ config: `http: "127.0.0.1:${monitor}"` });
  const ask = async (page: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`http://127.0.0.1:${monitor}/${page}`)).json()) as Record<string, unknown>;
  const { version } = await ask('varz');
  return {
    url: server.url,
    port: server.port,
    pid: server.pid,
    version: String(version),
    traffic: async () => {
      const [varz, jsz] = await Promise.all([ask('varz'), ask('jsz')]);
      const api = (jsz['api'] as { total?: number } | undefined)?.total ?? 0;
      return { in_msgs: Number(varz['in_msgs']), out_msgs: Number(varz['out_msgs']), api };
    },
    stop: () => server.stop(),
  };
}
