import type { RunView } from '@runledger/run-views';
import { z } from 'zod';

const Json = z.unknown().meta({ description: 'Any JSON' });
const text = z.string();
const textOrNull = z.string().nullable();

const summaryFields = {
  run_id: text,
  user_id: text,
  workspace_id: textOrNull,
  agent_id: text,
  agent_name: text,
  agent_revision: z.int(),
  channel: text,
  status: z.enum(['queued', 'running', 'waiting', 'stopping', 'success', 'error', 'stopped']),
  waiting_on: textOrNull,
  created_at: text,
  started_at: textOrNull,
  completed_at: textOrNull,
  duration_ms: z.number().nullable(),
  attempt: z.int(),
  seq: z.int(),
  labels: z.record(z.string(), z.string()),
  priority: z.int(),
  parent_run_id: textOrNull,
  root_run_id: text,
  usage: z.looseObject({
    turns: z.int(),
    input_tokens: z.int(),
    output_tokens: z.int(),
    cost_usd: z.number(),
  }),
};

export const OpenApprovalAnswer = z.looseObject({
  seq: z.int(),
  approval_id: text,
  call_id: text,
  name: text,
  args_preview: text,
  args_sha256: text,
  reason: text,
  severity: text,
  requested_at: text,
  due_at: text,
});

export const RunSummaryAnswer = z.looseObject({
  ...summaryFields,
  error: z.looseObject({ code: text, title: text }).nullable(),
  open_approvals: z.int(),
});

export const RunAnswer = z.looseObject({
  ...summaryFields,
  tenant_id: text,
  input: Json,
  result: Json,
  error: z
    .looseObject({
      code: text,
      category: text,
      title: text,
      detail: text,
      remedy: text,
      retryable: z.boolean(),
    })
    .nullable(),
  schema_warnings: z.array(text),
  ops_log: z.array(z.looseObject({ seq: z.int(), op: text, namespace: text })),
  digest: text,
  open_approvals: z.array(OpenApprovalAnswer),
  queue_position: z.int().nullable(),
  limits: z.looseObject({
    max_turns: z.int().nullable(),
    max_cost_usd: z.number().nullable(),
    timeout_s: z.int().nullable(),
    max_attempts: z.int(),
  }),
  forked_from: z.looseObject({ run_id: text, seq: z.int() }).nullable(),
});

/** A run as it is answered: money as a number, and its place in the queue. */
export function presentRun(view: RunView, queuePosition: number | null): Record<string, unknown> {
  const { cost_usd_exact: _exact, ...usage } = view.usage;
  const { max_cost_usd, ...limits } = view.limits;
  return {
    ...view,
    usage,
    limits: { ...limits, max_cost_usd: max_cost_usd === null ? null : Number(max_cost_usd) },
    queue_position: queuePosition,
  };
}
