#!/usr/bin/env node
import { cli } from './cli.ts';
import { EXIT } from './exit-code.ts';

const interrupt = new AbortController();
process.on('SIGINT', () => {
  // Whoever presses it twice does not want to wait for anything.
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  interrupt.abort();
});
// Nobody reads any more (`| head`; a socket that is closed with unread data resets): there is nothing left to say.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) =>
  process.exit(code === 'EPIPE' || code === 'ECONNRESET' ? EXIT.success : EXIT.error),
);
process.stderr.on('error', () => undefined);

const { env, stdin, stdout, stderr } = process;
process.exit(
  await cli(process.argv.slice(2), {
    env,
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    signal: interrupt.signal,
  }),
);
