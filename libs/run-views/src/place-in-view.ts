import type { RunView } from './run-view.ts';

/** Whether a commit of events `first`..`last` goes on from the view, is in it already, or leaves a hole before it. */
export function placeInView(
  view: Pick<RunView, 'seq'> | undefined,
  first: number,
  last: number,
): 'next' | 'held' | 'hole' {
  const seq = view?.seq ?? 0;
  if (seq >= last) return 'held';
  return seq === first - 1 ? 'next' : 'hole';
}
