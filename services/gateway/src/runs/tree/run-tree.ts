import { Inject, Injectable } from '@nestjs/common';
import { isEnded, type Child, type Run } from '@runledger/run';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { isId } from '@runledger/wire';
import { Tombstones } from '../erase/tombstones.ts';
import { notFound } from '../load-run-for.ts';
import { nodeOf, type TreeAnswer, type TreeNode } from './tree-answer.ts';

export const MAX_LEVELS = 8;
export const MAX_NODES = 1_000;
const AT_ONCE = 16;

interface Found {
  node: TreeNode;
  children: readonly Child[];
}

interface Wanted {
  child: Child;
  parent: TreeNode;
}

/** A run and those below it, each folded from its own log up to the leader's last event. */
@Injectable()
export class RunTree {
  readonly #runLog: RunLog;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(Tombstones) private readonly tombstones: Tombstones,
  ) {
    this.#runLog = context.runLog;
  }

  /** The run at `address` is one that the caller may read; what was called by it, in the same tenant, comes with it. */
  async below(address: RunAddress): Promise<TreeAnswer> {
    const root = await this.#root(address);
    const runs = [root.node];
    const seen = new Set([root.node.run_id]);
    let level = [root];
    let truncated = false;
    for (let depth = 0; level.length > 0; depth += 1) {
      const wanted = childrenOf(level).filter(({ child }) => unseen(seen, child.child_run_id));
      const room = depth < MAX_LEVELS ? MAX_NODES - runs.length : 0;
      truncated ||= wanted.length > room;
      level = await this.#level(address, wanted.slice(0, room));
      for (const { node } of level) runs.push(node);
    }
    return { run_id: root.node.run_id, status: root.node.status, runs, truncated };
  }

  async #root(address: RunAddress): Promise<Found> {
    const { run } = await this.#runLog.load(address);
    if (run.status === 'none') throw notFound(address.run_id);
    return { node: nodeOf(run, run.status), children: run.children };
  }

  /** In the order of `wanted`, some at once. */
  async #level(root: RunAddress, wanted: readonly Wanted[]): Promise<Found[]> {
    const found: Found[] = [];
    for (let at = 0; at < wanted.length; at += AT_ONCE)
      found.push(...(await Promise.all(wanted.slice(at, at + AT_ONCE).map((one) => this.#child(root, one)))));
    return found;
  }

  async #child({ tenant_id }: RunAddress, { child, parent }: Wanted): Promise<Found> {
    const run_id = child.child_run_id;
    const run = isId('run_id', run_id) ? await this.#unlessErased({ tenant_id, run_id }) : undefined;
    if (run === 'erased') return { node: absent(child, parent, 'erased'), children: [] };
    // A run that names another parent is not this child, whatever the parent says.
    if (!run || run.status === 'none' || run.parent?.run_id !== parent.run_id)
      return { node: absent(child, parent, 'spawned'), children: [] };
    return { node: nodeOf(run, run.status), children: run.children };
  }

  /** Only a run that has ended can have been erased, and one whose bytes are on their way out cannot be read. */
  async #unlessErased(address: RunAddress): Promise<Run | 'erased'> {
    const erased = async (): Promise<boolean> => (await this.tombstones.find(address)) !== undefined;
    try {
      const { run } = await this.#runLog.load(address);
      return (run.status === 'none' || isEnded(run)) && (await erased()) ? 'erased' : run;
    } catch (error) {
      if (error instanceof RunErased || (await erased())) return 'erased';
      throw error;
    }
  }
}

const childrenOf = (level: readonly Found[]): Wanted[] =>
  level.flatMap(({ node, children }) => children.map((child) => ({ child, parent: node })));

function unseen(seen: Set<string>, runId: string): boolean {
  if (seen.has(runId)) return false;
  seen.add(runId);
  return true;
}

const absent = (child: Child, parent: TreeNode, status: 'spawned' | 'erased'): TreeNode => ({
  run_id: child.child_run_id,
  agent_id: child.agent_id,
  status,
  parent_run_id: parent.run_id,
  depth: parent.depth + 1,
  stop: null,
  receipt: null,
  waiting_for: [],
});
