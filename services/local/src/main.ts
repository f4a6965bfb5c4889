import { startLocalStack, type LocalStack } from './local-stack.ts';

const say = (line: string): void => void process.stderr.write(`runledger: ${line}\n`);

function greet(stack: LocalStack): void {
  const key = stack.keyIsNew
    ? `\nkey    ${stack.key.api_key}   (also in the data folder; the CLI finds it by itself)\n`
    : '\n';
  process.stdout.write(`ready  ${stack.url}
${key}
try, in another terminal:
  npx runledger run hello -i message=hi
  npx runledger start ticker -i count=30 -i every_ms=1000
  npx runledger watch <run id>

Ctrl-C stops everything and loses nothing.
`);
}

/** One Ctrl-C may arrive twice: from the terminal, and passed on by the process that started this one. */
const ONE_KEY_PRESS_MS = 1_000;

/** The first signal drains, the second ends at once. */
function closeOnSignals(stack: LocalStack): void {
  let closingSince: number | undefined;
  const onSignal = (): void => {
    if (closingSince !== undefined) {
      if (performance.now() - closingSince > ONE_KEY_PRESS_MS) process.exit(130);
      return;
    }
    closingSince = performance.now();
    say('stopping; again to end at once');
    stack.close().then(
      () => process.exit(0),
      (error: unknown) => {
        say(`the stop was not orderly: ${String(error)}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

try {
  const stack = await startLocalStack(process.env, say);
  closeOnSignals(stack);
  greet(stack);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
