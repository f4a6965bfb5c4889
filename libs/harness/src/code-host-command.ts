import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The command line of a process that waits for the `start` frame of one `code` agent. */
export function codeHostCommand(heapMib = 512): string[] {
  const host = fileURLToPath(new URL(`./code-host/main${extname(import.meta.url)}`, import.meta.url));
  return [process.execPath, '--disable-warning=ExperimentalWarning', `--max-old-space-size=${heapMib}`, host];
}
