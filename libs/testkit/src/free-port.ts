import { createServer } from 'node:net';

/** Below the ports that Linux, macOS and Windows give to connections: no outgoing one takes it meanwhile. */
const [FIRST, LAST] = [10_000, 32_000];
const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that nobody listens on now, and that this process is not given again. Another may still take
 * it before the caller does: where a server can be given port 0, do that.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no TCP port is free between ${FIRST} and ${LAST}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch {
    return false;
  }
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return true;
}
