import { applyCommit, type RunView } from '@runledger/run-views';
import { decodeEvent } from '@runledger/wire';
import { isDeepStrictEqual } from 'node:util';
import type { Invariant } from './life.ts';

/** P7: every view is what its run's log folds to. */
export const viewsEqualLogs: Invariant = ({ runs, cell }) =>
  [...runs.values()].flatMap((run) => {
    let folded: RunView | undefined;
    for (const { lines, digest } of run.commits) folded = applyCommit(folded, lines.map(decodeEvent), digest);
    if (isDeepStrictEqual(folded, cell.views.get(run.run_id))) return [];
    return [`P7: the view of ${run.run_id} is not what its log folds to`];
  });
