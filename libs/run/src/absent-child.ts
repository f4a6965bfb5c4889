import type { EventData, Json } from './events.ts';
import type { Run } from './run.ts';

/** The request of a child that its parent lists and nobody created, as far as the parent knows it. */
export function absentChild(parent: Run, child_run_id: string, input: Json): EventData['run.requested'] {
  const child = parent.children.find((one) => one.child_run_id === child_run_id);
  return {
    agent_id: child?.agent_id ?? '',
    agent_name: child?.agent_id ?? '',
    agent_revision: 0,
    agent_sha256: '',
    input,
    env_keys: [],
    tenant_id: parent.tenant_id,
    user_id: parent.user_id,
    ...(parent.workspace_id === null ? {} : { workspace_id: parent.workspace_id }),
    channel: 'agent',
    parent: { run_id: parent.run_id, call_id: child?.call_id ?? '' },
    root_run_id: parent.root_run_id,
    depth: parent.depth + 1,
    labels: {},
    priority: parent.priority,
    limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 1 },
    trace: false,
    schema: 1,
  };
}
