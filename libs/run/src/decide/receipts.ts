import type { DraftEvent, InFlight, ParkReason } from '../events.ts';
import { liveChildren } from '../predicates.ts';
import type { Run } from '../run.ts';

/** Where a stop met a run that nobody held. */
type UnheldBoundary = 'absent' | 'queued' | `waiting:${ParkReason}`;

/**
 * The receipt of a run that nobody holds. Nobody has to be told: from the commit of the stop on nothing of it can begin,
 * so that the stop is observed as it is requested.
 */
export function unheldReceipt(boundary: UnheldBoundary, in_flight: InFlight[] = []): DraftEvent {
  return { type: 'stop.observed', data: { boundary, in_flight, latency_ms: 0 } };
}

/** `run` is the run before its stop. */
export function receiptOfUnheld(run: Run): DraftEvent {
  const boundary = run.waiting_on ? (`waiting:${run.waiting_on}` as const) : 'queued';
  return unheldReceipt(boundary, callsInFlight(run));
}

/** For a stop from before such receipts were written; it is open only because children live. None where there is one. */
export function missingReceipt(run: Run): DraftEvent[] {
  return run.stop_observed || run.holder ? [] : [unheldReceipt('waiting:children', callsInFlight(run))];
}

/** Calls that were made and whose end is not on record, as the log knows them, oldest first. */
function callsInFlight(run: Run): InFlight[] {
  const began = new Map(run.calls_since.map(({ call_id, at }) => [call_id, at]));
  const tools = run.open_calls.map(({ call_id, name }) => ({ call_id, kind: 'tool', name }));
  const children = liveChildren(run).map(({ call_id, agent_id }) => ({
    call_id,
    kind: 'agent',
    name: agent_id,
  }));
  return [...tools, ...children]
    .map(({ call_id, kind, name }) => ({ kind, name, started_at: began.get(call_id) ?? run.requested_at }))
    .sort((a, b) => (a.started_at < b.started_at ? -1 : a.started_at > b.started_at ? 1 : 0));
}
