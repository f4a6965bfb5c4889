export { applyCommit, changesView, foldEvents, foldView, isEnded, OPS_LOG_CAP } from './fold-view.ts';
export { addDecimal } from './money.ts';
export { placeInView } from './place-in-view.ts';
export { summarise } from './summarise.ts';
export { OPEN_APPROVALS_CAP } from './open-approvals.ts';
export type { OpenApproval, RunEndStatus, RunSummary, RunView } from './run-view.ts';
