import { STATUSES, type Run, type Status } from '@runledger/run';
import { z } from 'zod';

/** `spawned`: its parent has it on record and it has not been created yet. `erased`: its events are gone. */
const NODE_STATUSES = [...STATUSES, 'spawned', 'erased'] as const;

const text = z.string();

export const TreeNode = z.object({
  run_id: text,
  agent_id: text,
  status: z.enum(NODE_STATUSES),
  parent_run_id: text.nullable(),
  depth: z.int(),
  stop: z.object({ requested_at: text, mode: z.enum(['cooperative', 'kill']), reason: text }).nullable(),
  receipt: z
    .object({
      boundary: text,
      in_flight: z.array(z.object({ kind: text, name: text, started_at: text })),
      latency_ms: z.number(),
      seq: z.int(),
    })
    .nullable(),
  waiting_for: z.array(text).meta({ description: 'Its children whose end it has not been told of' }),
});
export type TreeNode = z.infer<typeof TreeNode>;

export const TreeAnswer = z.object({
  run_id: text,
  status: z.enum(NODE_STATUSES),
  runs: z.array(TreeNode).meta({ description: 'The run first, then level by level, in order of the calls' }),
  truncated: z.boolean().meta({ description: 'Whether there are more runs than are listed' }),
});
export type TreeAnswer = z.infer<typeof TreeAnswer>;

export function nodeOf(run: Run, status: Status): TreeNode {
  const { stop, stop_observed: receipt } = run;
  return {
    run_id: run.run_id,
    agent_id: run.agent_id,
    status,
    parent_run_id: run.parent?.run_id ?? null,
    depth: run.depth,
    stop: stop && { requested_at: stop.requested_at, mode: stop.mode, reason: stop.reason },
    receipt: receipt && {
      boundary: receipt.boundary,
      in_flight: receipt.in_flight.map(({ kind, name, started_at }) => ({ kind, name, started_at })),
      latency_ms: receipt.latency_ms,
      seq: receipt.seq,
    },
    waiting_for: run.children.filter((child) => child.status === 'live').map((child) => child.child_run_id),
  };
}
