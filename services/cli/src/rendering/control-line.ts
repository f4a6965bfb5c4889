import type { ControlAnswer } from '@runledger/client';
import { harmless } from './harmless.ts';

/** What was done, and what the run is after it. */
export const controlLine = (did: string, { run_id, status }: ControlAnswer): string =>
  `${did} run ${harmless(run_id)}. It is ${harmless(status)} now.`;
