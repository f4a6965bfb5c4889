import type { RunTemplate } from './run-template.ts';
import type { Emission } from './sse-server.ts';

/** What a raw process is asked to do; each is answered by a number or a text. */
export type Order =
  /** Whole runs, so many in flight, for so long. Answer: runs per second. */
  | { do: 'runs'; template: RunTemplate; inFlight: number; seconds: number }
  /** The commits of so many runs, without work. Answer: how many. */
  | { do: 'log'; template: RunTemplate; runs: number }
  /** Answer: events per second. */
  | { do: 'adaptive'; seconds: number; bytes: number }
  /** Answer: the URL of a bare SSE server. */
  | { do: 'listen' }
  /** Answer: 0, when everything is written. */
  | { do: 'emit'; emission: Emission };

export interface Answer {
  value?: number | string;
  error?: string;
}
