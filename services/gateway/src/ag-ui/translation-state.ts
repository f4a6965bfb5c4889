import { type AnyEvent, emptyRun, type Run } from '@runledger/run';

/** What a run's AG-UI stream has said so far: everything that its next events depend on. Plain data, never changed. */
export interface TranslationState {
  /** The run itself, after every event so far. */
  run: Run;
  /** `between`: an AG-UI run ended with an interrupt, and the next one has not begun. */
  phase: 'before' | 'open' | 'between' | 'ended';
  /** How many AG-UI runs this run has begun. */
  part: number;
  threadId: string;
  /** Of the first AG-UI run; the later ones add their number. */
  runId: string;
  /** Open messages, each with its turn. */
  messages: readonly { id: string; turn: unknown; channel: 'text' | 'reasoning' }[];
  /** The latest text message, which tool calls of its turn belong to. */
  lastText: { id: string; turn: unknown } | null;
  /** Whether anything was said in a text message. */
  hasSpoken: boolean;
  /** Children that the open AG-UI run has reported as started and not as ended. */
  subagents: readonly { id: string; name: string }[];
  /** What open approvals ask. */
  asked: readonly { approval_id: string; message: string }[];
  /** What happened between two AG-UI runs; the next one begins with it. */
  held: readonly AnyEvent[];
}

export const beforeTheFirst = (run_id: string): TranslationState => ({
  run: emptyRun(run_id),
  phase: 'before',
  part: 0,
  threadId: run_id,
  runId: run_id,
  messages: [],
  lastText: null,
  hasSpoken: false,
  subagents: [],
  asked: [],
  held: [],
});
