/** What a step of the search is given. */
export interface Search {
  env: NodeJS.ProcessEnv;
  /** Absolute; fetched binaries are kept here. */
  cacheDir: string;
  log: (line: string) => void;
  /** How long a step waits for a first sign of a network, in milliseconds. */
  patienceMs: number;
}

/** One way to come to a nats-server binary. */
export interface BrokerStep {
  /** What the step does, as a line for people: `fetching the package ...`. */
  readonly does: string;
  /**
   * Gives the absolute path of a binary that has been checked against the floor.
   * @throws Error whose message says in one line why this step does not fit here.
   */
  find(search: Search): Promise<{ path: string; version: string }>;
}
