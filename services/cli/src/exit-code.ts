export const EXIT = {
  success: 0,
  error: 1,
  usage: 2,
  stopped: 3,
  gaveUp: 4,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The exit code that an ended run stands for. */
export function exitCodeOf(status: string): ExitCode {
  if (status === 'success') return EXIT.success;
  return status === 'stopped' ? EXIT.stopped : EXIT.error;
}
