import { connect } from 'node:net';

/**
 * The name of the nats-server that listens on a port of 127.0.0.1, from the INFO line that it greets everybody with.
 * @returns undefined when nobody listens there, or something that does not greet like a nats-server within the time.
 */
export async function greetedBy(port: number, timeoutMs = 1000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    const done = (name?: string): void => {
      socket.destroy();
      resolve(name);
    };
    socket.setTimeout(timeoutMs, () => done());
    socket.once('error', () => done());
    socket.once('close', () => done());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const line = /^INFO (\{.*\})\s*\r?\n/.exec(text)?.[1];
      if (line !== undefined) done(nameIn(line));
      else if (text.length > 65_536) done();
    });
  });
}

function nameIn(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { server_name?: string }).server_name;
  } catch {
    return undefined;
  }
}
