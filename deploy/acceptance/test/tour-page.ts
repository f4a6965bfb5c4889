/** Commands of one fenced `sh` block, and the `text` block after it, if there is one. */
export interface TourStep {
  /** Heading under which it stands; a new one stands for a new terminal. */
  heading: string;
  commands: string[];
  shown: string | undefined;
}

/** The steps of one `##` section of a page, in order. */
export function stepsOf(page: string, section: string): TourStep[] {
  const from = page.indexOf(`\n## ${section}\n`);
  if (from < 0) throw new Error(`there is no section "${section}"`);
  const rest = page.slice(from + 1);
  const end = rest.indexOf('\n## ');
  const text = end < 0 ? rest : rest.slice(0, end);
  const steps: TourStep[] = [];
  let heading = section;
  for (const match of text.matchAll(/^### (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, title, language, body = ''] = match;
    const last = steps.at(-1);
    if (title !== undefined) heading = title;
    else if (language === 'sh') steps.push({ heading, commands: linesOf(body), shown: undefined });
    else if (language === 'text' && last && last.shown === undefined) last.shown = body.trimEnd();
  }
  return steps;
}

const linesOf = (body: string): string[] => body.split('\n').filter((line) => line !== '');

/** What differs from run to run, as it stands on the page → what it may be. */
const VARYING: [RegExp, string][] = [
  [/\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/, '[0-7][0-9A-HJKMNP-TV-Z]{25}'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+Z/, '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z'],
  [/\[\d\d:\d\d:\d\d\]/, '\\[\\d\\d:\\d\\d:\\d\\d\\]'],
  [/\b[0-9a-f]{12}-\d+\b/, '[0-9a-f]{12}-\\d+'],
  [/\blocalhost:\d+/, 'localhost:\\d+'],
  [/\b\d+s (?=ago|elapsed|total)/, '(?:\\d+m )?\\d+s '],
  [/\(revision \d+\)/, '\\(revision \\d+\\)'],
  [/…/, '.*'],
];
const ANY_VARYING = new RegExp(VARYING.map(([pattern]) => `(${pattern.source})`).join('|'), 'g');

/**
 * Whether an output is what the page shows. Ids, times, durations, ports and revisions may differ; `…` within a line stands
 * for anything, a line of its own for any number of lines.
 */
export function isAsShown(output: string, shown: string): boolean {
  const lines = shown.split('\n').map((line) => (line === '…' ? '(?:.*\\n)*?' : `${patternOf(line)}\\n`));
  return new RegExp(`^${lines.join('')}$`).test(`${output.trimEnd()}\n`);
}

function patternOf(line: string): string {
  let pattern = '';
  let from = 0;
  for (const match of line.matchAll(ANY_VARYING)) {
    const kind = match.slice(1).findIndex((group) => group !== undefined);
    pattern += literal(line.slice(from, match.index)) + (VARYING[kind]?.[1] ?? '');
    from = match.index + match[0].length;
  }
  return pattern + literal(line.slice(from));
}

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
