/** A file of the repository: its path from the root with `/`, and what is in it. */
export interface SourceFile {
  path: string;
  text: string;
}

/** Names what breaks the rule, one line per fault; empty when nothing does. */
export type Rule = (files: SourceFile[]) => string[];

const isSource = ({ path }: SourceFile): boolean => /^(libs|services)\/[^/]+\/src\/.*\.ts$/.test(path);
const inLibrary = (name: string, { path }: SourceFile): boolean => path.startsWith(`libs/${name}/`);

const EMPTY_NAMES = [
  'utils',
  'util',
  'common',
  'shared',
  'helpers',
  'helper',
  'core',
  'base',
  'types',
  'constants',
  'manager',
  'misc',
];

/** A name that says nothing about what is in it. tsconfig.base.json is TypeScript's custom and in the root only. */
export const tellingNames: Rule = (files) =>
  files
    .filter(({ path }) => path !== 'tsconfig.base.json')
    .filter(({ path }) =>
      path
        .split('/')
        .some((part) => part.split('.').some((word) => EMPTY_NAMES.includes(word.toLowerCase()))),
    )
    .map(({ path }) => `${path} is named for nothing`);

/** Words are put together here so that this file does not find itself. */
const LEFT_OVER = new RegExp(
  `\\b(${['TO', 'FIX'].map((start) => start + (start === 'TO' ? 'DO' : 'ME')).join('|')})\\b`,
);
const SILENCED = new RegExp(
  ['eslint-' + 'disable', '@ts-' + 'ignore', '@ts-' + 'expect-error', '@ts-' + 'nocheck'].join('|'),
);

export const nothingLeftOver: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const found = LEFT_OVER.exec(line) ?? (/\.(ts|mjs|tsx)$/.test(path) ? SILENCED.exec(line) : null);
      return found === null ? [] : [`${path}:${index + 1} has ${found[0]}`];
    }),
  );

/** `exempt`: path → why it may be longer. An exemption that is not needed is a fault too. */
export const shortFiles =
  (most: number, exempt: Record<string, string>): Rule =>
  (files) => {
    const long = files.filter((file) => isSource(file) && file.text.trimEnd().split('\n').length > most);
    const paths = long.map(({ path }) => path);
    return [
      ...paths.filter((path) => !(path in exempt)).map((path) => `${path} has more than ${most} lines`),
      ...Object.keys(exempt)
        .filter((path) => !paths.includes(path))
        .map((path) => `${path} needs no exemption any more`),
    ];
  };

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

/** One file in consumers/ is one durable with one handler: the folder is the list of what a service listens to. */
export const oneConsumerPerFile: Rule = (files) => [
  ...files
    .filter((file) => isSource(file) && file.path.includes('/consumers/'))
    .flatMap(({ path, text }) => {
      const durables = count(text, /\bdurable:/g);
      const handlers = count(text, /@DurableConsumer(?:<\w+>)?\(/g);
      return durables === 1 && handlers === 1
        ? []
        : [`${path} has ${durables} durables and ${handlers} handlers`];
    }),
  ...files
    .filter(
      (file) => isSource(file) && file.path.startsWith('services/') && !file.path.includes('/consumers/'),
    )
    .filter(({ text }) => /@DurableConsumer(?:<\w+>)?\(/.test(text))
    .map(({ path }) => `${path} has a consumer and is not in consumers/`),
];

/** A string that begins like a subject of ours and goes on with a token, a wildcard or a value. */
const SUBJECT = /[`'"](?:live\.)?(?:runs|work|due|timers|dead|holder)\.(?:\$\{|[*>]|[`'"]\s*\+)/;

export const onlyWireBuildsSubjects: Rule = (files) =>
  files
    .filter((file) => isSource(file) && !inLibrary('wire', file))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (SUBJECT.test(line) ? [`${path}:${index + 1} builds a subject`] : [])),
    );

/** Whoever publishes and knows how a run's subject or commit is made could append past the fence. */
export const onlyRunLogAppends: Rule = (files) =>
  files
    .filter((file) => isSource(file) && !inLibrary('run-log', file) && !inLibrary('wire', file))
    .filter(({ text }) => /\b(encodeCommit|runSubject)\(/.test(text) && /\.publish\(|\.request\(/.test(text))
    .map(({ path }) => `${path} can append to a run's log`);

export const onlyJetstreamAcks: Rule = (files) =>
  files
    .filter((file) => isSource(file) && !inLibrary('nest-jetstream', file))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          /\.(ack|ackAck|nak|term)\(/.test(line) ? [`${path}:${index + 1} settles a message`] : [],
        ),
    );

/** Every `npm start`, `npm test` and `npm run <name>` that a page tells the reader to type is there to be run. */
export const commandsExist =
  (scripts: string[]): Rule =>
  (files) =>
    files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/\bnpm (?:run(?: --silent| -s)? ([a-z][\w:-]*)|(start|test)\b)/g)]
          .map((match) => match[1] ?? match[2] ?? '')
          .filter((name) => !scripts.includes(name))
          .map((name) => `${path} tells to run "${name}", and package.json has no such script`),
      );

/**
 * The README's tree: a fenced block with a line for each top folder, `libs/   run · run-views`. Every folder that the
 * block names is there, and each folder of libs/ and services/ is named.
 */
export const treeIsTrue: Rule = (files) => {
  const readme = files.find(({ path }) => path === 'README.md')?.text ?? '';
  const block = [...readme.matchAll(/```\w*\n(.*?)```/gs)]
    .map((match) => match[1] ?? '')
    .find((text) => /^libs\//m.test(text));
  if (block === undefined) return [];
  const folders = new Set(
    files.flatMap(({ path }) =>
      path
        .split('/')
        .slice(0, -1)
        .map((_, depth, parts) => parts.slice(0, depth + 1).join('/')),
    ),
  );
  return [...block.matchAll(/^(\w+)\/\s+(.*)$/gm)].flatMap(([, top = '', rest = '']) => {
    if (!folders.has(top)) return [`README.md has a folder ${top}/ that is not there`];
    if (top !== 'libs' && top !== 'services') return [];
    const named = rest
      .split('·')
      .map((entry) => entry.trim().split(/[\s/(]/)[0] ?? '')
      .filter((name) => name !== '');
    const real = [...folders]
      .filter((path) => path.startsWith(`${top}/`) && path.split('/').length === 2)
      .map((path) => path.split('/')[1] ?? '');
    return [
      ...named
        .filter((name) => !real.includes(name))
        .map((name) => `README.md names ${top}/${name}, which is not there`),
      ...real.filter((name) => !named.includes(name)).map((name) => `README.md does not name ${top}/${name}`),
    ];
  });
};
