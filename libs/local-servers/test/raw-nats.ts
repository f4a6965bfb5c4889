import { connect } from 'node:net';

/** One request over the NATS text protocol: the answer's body as JSON. */
export async function request(port: number, subject: string, body: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    socket.setTimeout(5000, () => socket.destroy(new Error(`no answer on ${subject}`)));
    socket.once('error', reject);
    socket.once('connect', () =>
      socket.write(
        `CONNECT {"verbose":false}\r\nSUB inbox.1 1\r\nPUB ${subject} inbox.1 ${Buffer.byteLength(body)}\r\n${body}\r\n`,
      ),
    );
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const answer = /MSG inbox\.1 1 (\d+)\r\n/.exec(text);
      if (answer === null) return;
      const payload = text.slice(answer.index + answer[0].length);
      if (Buffer.byteLength(payload) < Number(answer[1])) return;
      socket.destroy();
      resolve(JSON.parse(payload.slice(0, payload.lastIndexOf('\r\n'))) as Record<string, unknown>);
    });
  });
}
