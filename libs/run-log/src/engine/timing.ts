/** Time and chance as the log sees them: the system's, or those of a simulation. */
export interface Timing {
  /** Monotonic milliseconds. */
  now(): number;
  /** The time of an event, RFC 3339 UTC with milliseconds. */
  timestamp(): string;
  /** Calls `fire` once in `ms`; the answer cancels it. */
  after(ms: number, fire: () => void): () => void;
  /** Calls `fire` every `ms`, without keeping the process alive; the answer ends it. */
  every(ms: number, fire: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

export const systemTiming: Timing = {
  now: () => performance.now(),
  timestamp: () => new Date().toISOString(),
  after(ms, fire) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
  every(ms, fire) {
    const timer = setInterval(fire, ms).unref();
    return () => clearInterval(timer);
  },
  random: () => Math.random(),
};
