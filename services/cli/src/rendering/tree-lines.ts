import { isEnded, type RunTree, type TreeRun } from '@runledger/client';
import { duration, since } from './durations.ts';
import { oneLine } from './harmless.ts';

/** `runledger tree`: each run under the one that called it. */
export function treeLines(tree: RunTree, now: Date): string[] {
  const byParent = new Map<string | null, TreeRun[]>();
  for (const run of tree.runs.slice(1)) {
    const siblings = byParent.get(run.parent_run_id);
    if (siblings) siblings.push(run);
    else byParent.set(run.parent_run_id, [run]);
  }
  const lines: string[] = [];
  const add = (run: TreeRun, lead: string, below: string): void => {
    lines.push(lead + runLine(run, now));
    const children = byParent.get(run.run_id) ?? [];
    // What is drawn is drawn once, whatever a server says about parents.
    byParent.delete(run.run_id);
    children.forEach((child, index) => {
      const last = index === children.length - 1;
      add(child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`);
    });
  };
  const [root] = tree.runs;
  if (root) add(root, '', '');
  return lines;
}

function runLine(run: TreeRun, now: Date): string {
  const head = `${oneLine(run.run_id, 64)}  ${oneLine(run.agent_id, 64)}  ${oneLine(run.status, 20)}`;
  const notes = [stopNote(run, now), receiptNote(run), waitNote(run)].filter((note) => note !== '');
  return notes.length === 0 ? head : `${head}  (${notes.join('; ')})`;
}

function stopNote({ stop, status }: TreeRun, now: Date): string {
  if (!stop || isEnded(status)) return '';
  const ms = since(stop.requested_at, now);
  return `stop (${oneLine(stop.mode, 20)}) asked for${ms === null ? '' : ` ${duration(ms)} ago`}`;
}

function receiptNote({ receipt }: TreeRun): string {
  if (!receipt) return '';
  const inFlight = receipt.in_flight.map(({ kind, name }) => oneLine(`${kind} ${name}`, 80)).join(', ');
  const calls = inFlight === '' ? '' : `, in flight: ${inFlight}`;
  const ms = receipt.latency_ms;
  const after = ms < 1_000 ? `${Math.round(ms)} ms` : duration(ms);
  return `seen at ${oneLine(receipt.boundary, 80)} after ${after}${calls}`;
}

function waitNote({ waiting_for, status }: TreeRun): string {
  if (waiting_for.length === 0 || isEnded(status)) return '';
  const named = waiting_for.slice(0, 3).map((id) => oneLine(id, 64));
  const more = waiting_for.length - named.length;
  return `waits for ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
