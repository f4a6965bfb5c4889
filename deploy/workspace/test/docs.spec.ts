import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', 'generated']);

const text = (path: string): string => readFileSync(join(root, path), 'utf8');

function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : filesIn(path, name);
    return name.test(entry.name) ? [path] : [];
  });
}

/** Every group 1 of a pattern, once, in order. */
const found = (source: string, pattern: RegExp): string[] =>
  [...new Set([...source.matchAll(pattern)].map((match) => match[1] ?? ''))].sort();

const sources = ['libs', 'services', 'deploy'].flatMap((folder) => filesIn(folder, /\.(ts|mjs)$/));
const pages = ['README.md', 'CHANGELOG.md', ...filesIn('docs', /\.md$/)];

/** The anchor that a heading has on the page. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

function isThere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (!existsSync(target)) return false;
  if (anchor === undefined) return true;
  return found(readFileSync(target, 'utf8'), /^#{1,6} (.*)$/gm).some(
    (heading) => anchorOf(heading) === anchor,
  );
}

describe('the documentation', () => {
  it('has every variable that the code reads, and none that nothing reads', () => {
    const variables = (paths: string[]): string[] => [
      ...new Set(paths.flatMap((path) => found(text(path), /\b(RUNLEDGER_[A-Z]\w*)\b/g))),
    ];
    const others = sources.filter((path) => !path.endsWith('/docs.spec.ts'));
    const read = variables(others.filter((path) => !path.includes('/test/')));
    const documented = found(text('docs/reference/configuration.md'), /^\| `(RUNLEDGER_\w+)` /gm);
    expect(read).toContain('RUNLEDGER_HOME');
    expect(read.filter((name) => !documented.includes(name))).toEqual([]);
    const anywhere = variables(others);
    expect(documented.filter((name) => !anywhere.includes(name))).toEqual([]);
  });

  it('has every type of event, and no other', () => {
    const types = found(text('libs/run/src/events.ts'), /^ {2}'([a-z]+\.[a-z]+)': \{/gm);
    expect(types).toContain('run.succeeded');
    expect(found(text('docs/reference/events.md'), /^\| `([a-z]+\.[a-z]+)` /gm)).toEqual(types);
  });

  it('has every route, and no other', () => {
    const routes: string[] = [];
    let path = '';
    for (const line of text('proto/http/openapi.yaml').split('\n')) {
      path = /^ {2}(\/\S*):$/.exec(line)?.[1] ?? path;
      const method = /^ {4}(get|post|put|patch|delete):$/.exec(line)?.[1];
      if (method !== undefined) routes.push(`${method.toUpperCase()} ${path}`);
    }
    expect(routes).toContain('POST /agents/run-code/start');
    const reference = ['http-api', 'api-keys'].map((page) => text(`docs/reference/${page}.md`)).join('\n');
    expect(found(reference, /^##+ `([A-Z]+ \/\S*)`$/gm)).toEqual(routes.sort());
  });

  it('has every verb of the CLI', () => {
    const verbs = filesIn('services/cli/src/commands', /\.ts$/).flatMap((file) =>
      found(text(file), /\.command\('([a-z]+)'\)/g),
    );
    expect(verbs).toContain('watch');
    for (const verb of verbs)
      expect(text('docs/reference/cli.md')).toMatch(new RegExp(`^\\| \`([a-z]+ )?${verb}\\b`, 'm'));
  });

  it.each(pages)('%s links to what is there', (page) => {
    const links = [...text(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    const broken = links.filter((link) => !/^https?:/.test(link) && !isThere(page, link));
    expect(broken).toEqual([]);
  });

  it('lists every decision', () => {
    const index = text('docs/decisions/README.md');
    for (const file of filesIn('docs/decisions', /^\d{4}-.*\.md$/))
      expect(index).toContain(file.split('/').at(-1) ?? '');
  });
});
