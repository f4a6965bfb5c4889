import type { RunSummary, RunView } from './run-view.ts';

/** The row of a list that stands for this view. */
export function summarise(view: RunView): RunSummary {
  return {
    run_id: view.run_id,
    user_id: view.user_id,
    workspace_id: view.workspace_id,
    agent_id: view.agent_id,
    agent_name: view.agent_name,
    agent_revision: view.agent_revision,
    channel: view.channel,
    status: view.status,
    waiting_on: view.waiting_on,
    created_at: view.created_at,
    started_at: view.started_at,
    completed_at: view.completed_at,
    duration_ms: view.duration_ms,
    attempt: view.attempt,
    seq: view.seq,
    labels: view.labels,
    priority: view.priority,
    parent_run_id: view.parent_run_id,
    root_run_id: view.root_run_id,
    usage: view.usage,
    open_approvals: view.open_approvals.length,
    error: view.error && { code: view.error.code, title: view.error.title },
  };
}
