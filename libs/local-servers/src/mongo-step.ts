import type { Search } from './broker-step.ts';

/** A program of this machine that speaks MongoDB's wire protocol. */
export interface MongoBinary {
  /** Absolute. */
  path: string;
  /** Its own answer, such as `8.0.13`. */
  version: string;
  kind: 'mongod' | 'ferretdb';
}

/** What is used: a server that somebody runs, or a program to start. */
export type MongoChoice = { url: string } | { binary: MongoBinary };

/** One way to come to a MongoDB server for tests. */
export interface MongoStep {
  /** What the step does, as a line for people. */
  readonly does: string;
  /** @throws Error whose message says in one line why this step does not fit here. */
  find(search: Search): Promise<MongoChoice>;
}
