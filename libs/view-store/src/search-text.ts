import type { RunView } from '@runledger/run-views';

/** What `q` is looked for in, lower-cased as `q` is. */
export const searchText = (view: RunView): string =>
  [view.agent_name, view.run_id, ...Object.values(view.labels)].join('\n').toLowerCase();
