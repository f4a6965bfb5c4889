// Proves that the import rules are awake: each forbidden import, put in place of a real file's text (nothing is written),
// must be reported, and an allowed one must not. The rule is silent when Nx has no project graph, so a green lint alone
// shows nothing. `--asleep` switches the rule off, and must therefore end with exit code 1.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';

const root = fileURLToPath(new URL('../../', import.meta.url));
const RULE = '@nx/enforce-module-boundaries';

/** [the folder that imports, what it imports, the rule that must say no; none: it is allowed] */
const CASES = [
  ['libs/run/src', '@runledger/wire', RULE],
  ['libs/run/src', '@nestjs/common', RULE],
  ['libs/run/src', 'node:fs', 'no-restricted-imports'],
  ['libs/wire/src', '@runledger/run-log', RULE],
  ['libs/run-log/src', '@runledger/service-host', RULE],
  ['libs/run-log/src', '../../service-host/src/port.ts', RULE],
  ['libs/client/src', '@runledger/run', RULE],
  ['libs/local-servers/src', '@runledger/run', RULE],
  ['services/gateway/src', '@runledger/testkit', RULE],
  ['services/gateway/src', '../../run-scheduler/src/module.ts', RULE],
  ['services/cli/src', '@runledger/run-log', RULE],
  ['services/agent-executor/src', '@runledger/simulation', RULE],
  ['libs/run-log/src', '@runledger/run', undefined],
  ['libs/simulation/src', '@runledger/run-log', undefined],
  ['services/gateway/src', '@runledger/service-host', undefined],
];

/** A file that belongs to the project, whose text we replace. */
function standIn(folder) {
  const path = join(root, folder);
  const names = existsSync(path) ? readdirSync(path, { recursive: true }) : [];
  const file = names.map(String).find((name) => name.endsWith('.ts') && !name.includes('/'));
  return file === undefined ? undefined : join(path, file);
}

async function judge(eslint, [folder, imported, rule]) {
  const file = standIn(folder);
  if (file === undefined) return `${folder} has no file to stand in`;
  const [result] = await eslint.lintText(`import * as bird from '${imported}';\nexport { bird };\n`, {
    filePath: file,
  });
  const fatal = result.messages.find((message) => message.fatal);
  if (fatal) return `${folder} could not be parsed: ${fatal.message}`;
  const reported = result.messages.map((message) => message.ruleId).filter((id) => id !== null);
  if (rule === undefined)
    return reported.includes(RULE) ? `${folder} may import ${imported}, and was refused` : undefined;
  return reported.includes(rule) ? undefined : `${folder} imports ${imported}, and ${rule} is silent`;
}

const asleep = process.argv.includes('--asleep');
execFileSync(join(root, 'node_modules/.bin/nx'), ['show', 'projects'], {
  cwd: root,
  env: { ...process.env, NX_DAEMON: 'false' },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const overrideConfig = asleep ? [{ rules: { [RULE]: 'off' } }] : [];
const eslint = new ESLint({ cwd: root, overrideConfig });
const faults = [];
for (const one of CASES) {
  const fault = await judge(eslint, one);
  if (fault !== undefined) faults.push(fault);
}
for (const fault of faults) console.error(`canary: ${fault}`);
console.log(`canary: ${CASES.length - faults.length} of ${CASES.length} imports judged as they must be`);
process.exitCode = faults.length > 0 ? 1 : 0;
