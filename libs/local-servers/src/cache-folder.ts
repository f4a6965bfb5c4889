import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where fetched servers are kept: `RUNLEDGER_CACHE`, else `~/.cache/runledger`. Absolute. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const given = env['RUNLEDGER_CACHE'];
  return given !== undefined && given !== '' ? resolve(given) : join(homedir(), '.cache', 'runledger');
}
