// The harness protocol in 30 lines: one JSON object per line, in on stdin, out on stdout.
import { createInterface } from 'node:readline';

const waiting = new Map();
const say = (frame) => process.stdout.write(JSON.stringify(frame) + '\n');

function call(method, params = {}) {
  const id = String(waiting.size + 1);
  say({ type: 'call', id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

async function run({ input }) {
  say({
    type: 'event',
    event: 'log',
    level: 'info',
    source: 'agent',
    message: 'I give back what I am given',
  });
  const at = await call('now');
  say({ type: 'event', event: 'milestone', name: 'echoed', detail: '' });
  say({ type: 'result', ok: true, value: { echo: input, at: new Date(at).toISOString() } });
}

for await (const line of createInterface({ input: process.stdin })) {
  const frame = JSON.parse(line);
  if (frame.type === 'start') {
    run(frame).catch((error) =>
      say({
        type: 'result',
        ok: false,
        error: { code: error.code ?? 'agent_error', message: error.message },
      }),
    );
  } else if (frame.type === 'reply') {
    const { resolve, reject } = waiting.get(frame.id);
    if (frame.ok) resolve(frame.value);
    else reject(Object.assign(new Error(frame.error.message), { code: frame.error.code }));
  }
}
