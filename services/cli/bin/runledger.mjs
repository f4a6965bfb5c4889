#!/usr/bin/env node
// npm links a command only when its file is there at install time, which is before anything is built.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error(
    'error: the CLI is not built yet: `npm start` or `npm run build` in the repository builds it',
  );
  process.exitCode = 1;
}
