import type { AuditedLine, AuditedRun } from './log-audit.ts';

/** What the log says of one run of a tree. Moments are stream sequences: they order the commits of all runs. */
export interface Node {
  run_id: string;
  root: string;
  agent_id: string;
  requested: number;
  /** Where each attempt has begun. */
  begun: number[];
  stopRequested: number | undefined;
  /** Its receipt: the first `stop.observed`. */
  observed: number | undefined;
  receipts: number;
  ended: number | undefined;
  end: string | undefined;
  endedAt: number;
  /** Calls of tools that are recorded after its receipt, or after its end. */
  callsAfterReceipt: number;
  /** Calls of tools before that. */
  calls: number;
  /** Answers of its model between the stop and its receipt: the call was in flight when the stop came. */
  answersAfterStop: number;
  spawned: string[];
  /** Nobody held it when it was asked to stop. */
  unheld: boolean;
  held: boolean;
}

const ENDS = new Set(['run.succeeded', 'run.failed', 'run.stopped']);
const STEPS = new Set(['tool.called', 'child.spawned', 'turn.started']);

/** Trees of runs as an outsider finds them in the log. Is fed by a `LogAudit`. */
export class TreeAudit {
  readonly nodes = new Map<string, Node>();

  readonly take = (run: AuditedRun, line: AuditedLine, order: number): void => {
    const node = this.nodes.get(run.run_id) ?? newNode(run.run_id);
    this.nodes.set(run.run_id, node);
    const { type, data } = line;
    if (type === 'run.requested') {
      node.root = String(data['root_run_id']);
      node.agent_id = String(data['agent_id']);
      node.requested = order;
    }
    if (type === 'run.started') node.begun.push(order);
    if (type === 'run.started') node.held = true;
    if (type === 'run.parked' || type === 'attempt.lost') node.held = false;
    if (type === 'child.spawned') node.spawned.push(String(data['child_run_id']));
    if (type === 'stop.requested' && node.stopRequested === undefined) {
      node.stopRequested = order;
      node.unheld = !node.held;
    }
    if (STEPS.has(type) && (node.observed !== undefined || node.end !== undefined))
      node.callsAfterReceipt += 1;
    if (type === 'tool.called') node.calls += 1;
    const stopping = node.stopRequested !== undefined && node.observed === undefined;
    if (type === 'turn.completed' && stopping) node.answersAfterStop += 1;
    if (type === 'stop.observed') {
      node.observed ??= order;
      node.receipts += 1;
    }
    if (!ENDS.has(type)) return;
    node.ended = order;
    node.end = type;
    node.endedAt = Date.parse(line.at);
  };

  tree(root: string): Node[] {
    return [...this.nodes.values()].filter((node) => node.root === root);
  }
}

function newNode(run_id: string): Node {
  return {
    run_id,
    root: '',
    agent_id: '',
    requested: 0,
    begun: [],
    stopRequested: undefined,
    observed: undefined,
    receipts: 0,
    ended: undefined,
    end: undefined,
    endedAt: 0,
    callsAfterReceipt: 0,
    calls: 0,
    answersAfterStop: 0,
    spawned: [],
    unheld: false,
    held: false,
  };
}
