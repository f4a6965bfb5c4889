import type { Moment } from './kill-proxy.ts';

/** Where an executor is killed. */
export interface Point {
  what: string;
  on: Moment | 'effect' | 'second model call';
  /** From the moment to the kill. */
  afterMs?: number;
  /** The log has the call, and not what became of it. */
  open?: boolean;
}

const at = (moment: Moment['at'], type: string): Moment => ({ type, at: moment });

/** In the order of an agent's life: a model call, the tool call that it asks for, a second model call, the end. */
export const POINTS: readonly Point[] = [
  { what: 'the model has answered, the answer is not stored', on: at('sent', 'answer') },
  { what: 'the answer is stored, not confirmed', on: at('stored', 'answer') },
  { what: 'before tool.called is stored', on: at('sent', 'tool.called') },
  { what: 'tool.called is stored, not confirmed', on: at('stored', 'tool.called'), open: true },
  { what: 'tool.called is confirmed, the call begins', on: at('confirmed', 'tool.called'), open: true },
  { what: 'in the call, before its effect', on: at('confirmed', 'tool.called'), afterMs: 150, open: true },
  { what: 'in the call, after its effect', on: 'effect', open: true },
  { what: 'the call has returned, nothing of it is stored', on: at('sent', 'tool.returned'), open: true },
  { what: 'tool.returned is stored, not confirmed', on: at('stored', 'tool.returned') },
  { what: 'tool.returned is confirmed', on: at('confirmed', 'tool.returned') },
  { what: 'in the second model call', on: 'second model call' },
  { what: 'before the end is stored', on: at('sent', 'run.succeeded') },
];
