// Loaded before a service (`node --import`): the wall clock is as far off as the file says, and follows it when it changes.
// Timers and `performance` go on as they are, as with a machine whose clock was set.
import { readFileSync } from 'node:fs';

const file = process.env.DRILL_CLOCK_FILE ?? '';
const Real = Date;
let offsetMs = read();
setInterval(() => (offsetMs = read()), 50).unref();

function read() {
  try {
    return Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

globalThis.Date = new Proxy(Real, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Real.now() + offsetMs] : args, newTarget),
  apply: () => new Real(Real.now() + offsetMs).toString(),
  get: (target, key) => (key === 'now' ? () => Real.now() + offsetMs : Reflect.get(target, key)),
});
