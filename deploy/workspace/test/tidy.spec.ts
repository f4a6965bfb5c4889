import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import {
  commandsExist,
  nothingLeftOver,
  oneConsumerPerFile,
  onlyJetstreamAcks,
  onlyRunLogAppends,
  onlyWireBuildsSubjects,
  type Rule,
  shortFiles,
  type SourceFile,
  tellingNames,
  treeIsTrue,
} from './tidy-rules.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Path of a source file over 400 lines → why it may be. */
const LONG_FOR_A_REASON: Record<string, string> = {};

const NOT_OURS = ['node_modules', 'dist', 'coverage', 'generated'];
const TEXT = /\.(ts|tsx|mjs|json|md|ya?ml|proto|sh)$|^\.ci\/run$/;

function read(folder = ''): SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      const skipped = NOT_OURS.includes(entry.name) || (entry.name.startsWith('.') && entry.name !== '.ci');
      return skipped ? [] : read(path);
    }
    return TEXT.test(path) && path !== 'package-lock.json'
      ? [{ path, text: readFileSync(join(root, path), 'utf8') }]
      : [];
  });
}

const files = read();
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
);
const at = (path: string, text = ''): SourceFile => ({ path, text });
const consumer = "@DurableConsumer({ durable: 'a' }) one() {}";
const tree = (line: string): SourceFile => at('README.md', `\`\`\`\n${line}\n\`\`\`\n`);

/** [what holds, the rule, files that break it, what it says of them] */
const RULES: [string, Rule, SourceFile[], string[]][] = [
  [
    'every file and folder is named for what is in it',
    tellingNames,
    [at('libs/run/src/utils/a.ts'), at('libs/run/src/run.types.ts'), at('libs/run/src/baseline.ts')],
    ['libs/run/src/utils/a.ts is named for nothing', 'libs/run/src/run.types.ts is named for nothing'],
  ],
  [
    'nothing is left for later and no check is silenced',
    nothingLeftOver,
    [at('a.ts', `x\n// ${'TO'}DO y`), at('b.ts', `// ${'eslint'}-disable-next-line`)],
    [`a.ts:2 has ${'TO'}DO`, `b.ts:1 has ${'eslint'}-disable`],
  ],
  [
    'source files are short',
    shortFiles(400, LONG_FOR_A_REASON),
    [at('libs/run/src/a.ts', 'x\n'.repeat(401)), at('libs/run/src/b.ts', 'x\n'.repeat(400))],
    ['libs/run/src/a.ts has more than 400 lines'],
  ],
  [
    'a file in consumers/ is one durable with one handler',
    oneConsumerPerFile,
    [
      at('services/gateway/src/consumers/ok.ts', consumer),
      at('services/gateway/src/consumers/two.ts', `${consumer}\n${consumer}`),
      at('services/gateway/src/consumers/none.ts', 'export const a = 1;'),
      at('services/gateway/src/elsewhere.ts', consumer),
    ],
    [
      'services/gateway/src/consumers/two.ts has 2 durables and 2 handlers',
      'services/gateway/src/consumers/none.ts has 0 durables and 0 handlers',
      'services/gateway/src/elsewhere.ts has a consumer and is not in consumers/',
    ],
  ],
  [
    'only libs/wire builds a subject',
    onlyWireBuildsSubjects,
    [
      at('libs/wire/src/subjects.ts', 'return `runs.${a}.${b}`;'),
      at('libs/run-log/src/a.ts', 'return `runs.${a}.${b}`;'),
      at('services/gateway/src/a.ts', "const all = 'live.runs.>';\nconst fine = 'runs.tsx';"),
      at('services/gateway/src/b.ts', "const one = 'work.' + pool;"),
    ],
    [
      'libs/run-log/src/a.ts:1 builds a subject',
      'services/gateway/src/a.ts:1 builds a subject',
      'services/gateway/src/b.ts:1 builds a subject',
    ],
  ],
  [
    'only libs/run-log appends',
    onlyRunLogAppends,
    [
      at('libs/run-log/src/a.ts', 'js.publish(runSubject(t, r))'),
      at('services/gateway/src/a.ts', 'js.publish(runSubject(t, r))'),
      at('services/gateway/src/b.ts', 'js.publish(workSubject(t, r))'),
    ],
    ["services/gateway/src/a.ts can append to a run's log"],
  ],
  [
    'only libs/nest-jetstream settles messages',
    onlyJetstreamAcks,
    [at('libs/nest-jetstream/src/a.ts', 'm.ack()'), at('services/gateway/src/a.ts', 'm.ack()')],
    ['services/gateway/src/a.ts:1 settles a message'],
  ],
  [
    'every command of a page exists',
    commandsExist(scripts),
    [at('README.md', 'npm start, npm test, npm run check, npm run nowhere')],
    ['README.md tells to run "nowhere", and package.json has no such script'],
  ],
  [
    'the tree in the README is the real one',
    treeIsTrue,
    [tree('libs/  run · gone'), at('libs/run/src/a.ts'), at('libs/wire/src/a.ts')],
    ['README.md names libs/gone, which is not there', 'README.md does not name libs/wire'],
  ],
];

describe('the repository is tidy', () => {
  it.each(RULES)('%s', (_name, rule) => {
    expect(rule(files)).toEqual([]);
  });

  it('reads the sources', () => {
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['package.json', 'libs/run/src/index.ts', '.ci/run']),
    );
  });
});

describe('the rules', () => {
  it.each(RULES)('notice when it is not so: %s', (_name, rule, broken, said) => {
    expect(rule(broken)).toEqual(said);
  });

  it('notice an exemption that is not needed any more', () => {
    const rule = shortFiles(400, { 'libs/run/src/a.ts': 'a table' });
    expect(rule([at('libs/run/src/a.ts', 'x\n'.repeat(401))])).toEqual([]);
    expect(rule([at('libs/run/src/a.ts', 'x\n')])).toEqual(['libs/run/src/a.ts needs no exemption any more']);
  });
});
