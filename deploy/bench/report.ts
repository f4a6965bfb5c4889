import { isMet, ratioOf, type Figure, type Measured, type Results } from './figure.ts';

/** One measure as people read it. `before`: the same measure of an earlier run. */
export function reportOf(measured: Measured, before?: Measured): string {
  const { name, setup, method, figures, notes, load } = measured;
  const rows = figures.map((figure) =>
    row(
      figure,
      before?.figures.find(({ label }) => label === figure.label),
    ),
  );
  const widths = rows.reduce<number[]>(
    (most, cells) => cells.map((cell, index) => Math.max(most[index] ?? 0, cell.length)),
    [],
  );
  const lines = rows.map((cells) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [
    `${name} · ${setup} · load ${load.map((one) => one.toFixed(1)).join(' → ')}`,
    `  ${method}`,
    ...lines.map((line) => `    ${line}`),
    ...notes.map((note) => `    ${note}`),
    '',
  ].join('\n');
}

/** The measure of an earlier run that is to be compared with. */
export function earlier(results: Results | undefined, measured: Measured): Measured | undefined {
  return results?.measured.find(({ name, setup }) => name === measured.name && setup === measured.setup);
}

function row(figure: Figure, before?: Figure): string[] {
  const { label, unit, product, raw } = figure;
  return [
    label,
    `${shown(product)} ${unit}`,
    raw === undefined ? '' : `raw ${shown(raw)}`,
    ratioText(figure),
    targetText(figure),
    before ? `before ${shown(before.product)}${againText(figure, before)}` : '',
  ];
}

function ratioText(figure: Figure): string {
  const ratio = ratioOf(figure);
  if (ratio === undefined) return '';
  return figure.better === 'lower' ? `${ratio.toFixed(2)} ×` : `${(100 * ratio).toFixed(0)} %`;
}

function targetText(figure: Figure): string {
  const { target, better, unit } = figure;
  if (target === undefined) return '';
  const sign = better === 'lower' ? '≤' : '≥';
  const wanted = [
    target.ratio === undefined
      ? undefined
      : better === 'lower'
        ? `${target.ratio} ×`
        : `${100 * target.ratio} %`,
    target.value === undefined ? undefined : `${shown(target.value)} ${unit}`,
  ].filter((text) => text !== undefined);
  return `${sign} ${wanted.join(', ')} ${isMet(figure) ? 'met' : 'MISSED'}`;
}

/** Ratios are compared where there are any: the machine of the other run may have been another. */
function againText(figure: Figure, before: Figure): string {
  const now = ratioOf(figure) ?? figure.product;
  const then = ratioOf(before) ?? before.product;
  const change = (now / then - 1) * 100;
  const what = ratioOf(figure) === undefined ? '' : 'ratio ';
  return Number.isFinite(change) ? ` (${what}${change >= 0 ? '+' : ''}${change.toFixed(0)} %)` : '';
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}
