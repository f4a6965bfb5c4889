import type { AnyEvent } from '@runledger/run';
import { text, type Loose } from './lenient.ts';
import type { RunView } from './run-view.ts';

/** Open approvals that a view shows. The log has them all. */
export const OPEN_APPROVALS_CAP = 1_000;

const PREVIEW_CHARACTERS = 200;

type Change = Partial<RunView>;

export function withApproval(view: RunView, data: Loose, event: AnyEvent): Change {
  const approval_id = text(data.approval_id);
  const others = view.open_approvals.filter((known) => known.approval_id !== approval_id);
  if (view.status === 'stopping' || others.length >= OPEN_APPROVALS_CAP) return {};
  const approval = {
    seq: event.seq,
    approval_id,
    call_id: text(data.call_id),
    name: text(data.name),
    args_preview: (JSON.stringify(data.args) ?? 'null').slice(0, PREVIEW_CHARACTERS),
    args_sha256: text(data.args_sha256),
    reason: text(data.reason),
    severity: text(data.severity),
    requested_at: event.at,
    due_at: text(data.due_at),
  };
  return { open_approvals: [...others, approval] };
}

export const withoutApproval = (view: RunView, data: Loose): Change => ({
  open_approvals: view.open_approvals.filter(({ approval_id }) => approval_id !== data.approval_id),
});
