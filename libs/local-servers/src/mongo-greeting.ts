import { connect } from 'node:net';

/** `{hello: 1, $db: "admin"}` as a message of the wire protocol. */
function hello(): Buffer {
  const fields = Buffer.concat([
    Buffer.from('\x10hello\0\x01\0\0\0', 'latin1'),
    Buffer.from('\x02$db\0\x06\0\0\0admin\0', 'latin1'),
  ]);
  const message = Buffer.alloc(16 + 4 + 1 + 4 + fields.length + 1);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(1, 4);
  message.writeInt32LE(2013, 12);
  message.writeInt32LE(4 + fields.length + 1, 21);
  fields.copy(message, 25);
  return message;
}

/** Whether a MongoDB server answers on this port of 127.0.0.1 within a second. */
export function mongoAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.write(hello()));
    socket.once('data', (answer) => end(answer.includes('maxWireVersion')));
  });
}
