/** One frame of the harness protocol, without its line feed. */
export const MAX_FRAME_BYTES = 1024 * 1024;
