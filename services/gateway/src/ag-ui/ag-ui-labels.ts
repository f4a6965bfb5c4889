/** Labels of a run that was started over AG-UI: what its stream calls itself, for every observer. */
export const THREAD_LABEL = 'ag-ui.thread_id';
export const RUN_LABEL = 'ag-ui.run_id';
