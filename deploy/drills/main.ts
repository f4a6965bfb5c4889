import { parseArgs } from 'node:util';
import { Cleanup } from './cleanup.ts';
import { type Drill, Figures, Skipped } from './drill.ts';
import { DRILLS } from './drills.ts';
import { missing } from './preflight.ts';

type Outcome = 'PASS' | 'FAIL' | 'SKIP';

const USAGE = `npm run drill -- <name>|all [--r3] [--long]

${DRILLS.map(({ name, title, needs = [] }) => `  ${name.padEnd(16)}${title}${needs.length > 0 ? ` [needs ${needs.join(', ')}]` : ''}`).join('\n')}`;

let cleanup = new Cleanup();

/** Ctrl-C takes away what the drill has made before it ends us; a second one does not wait. */
function endOnSignals(): void {
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 2) process.exit(130);
    if (signals > 1) return;
    console.error('stopping: taking away what the drill has made');
    void cleanup.run().finally(() => process.exit(130));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

async function perform(drill: Drill, flags: { r3: boolean; long: boolean }): Promise<Outcome> {
  const name = flags.r3 ? `${drill.name} --r3` : drill.name;
  for (const need of drill.needs ?? []) {
    const reason = await missing(need);
    if (reason === undefined) continue;
    console.log(`\n#### SKIPPED ${name}: this machine has no ${need} (${reason}). Nothing was shown. ####`);
    return 'SKIP';
  }
  console.log(`\n${name}: ${drill.title} (row ${drill.rows})`);
  const figures = new Figures();
  cleanup = new Cleanup();
  const begun = performance.now();
  const say = (line: string): void =>
    console.error(`  ... ${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  try {
    await drill.run({ ...flags, cleanup, figures, say });
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`#### SKIPPED ${name}: ${error.message}. Nothing was shown. ####`);
      return 'SKIP';
    }
    figures.isTrue('it ran to its end', false, error instanceof Error ? error.message : String(error));
    if (error instanceof Error) console.error(error.stack);
  } finally {
    await cleanup.run();
  }
  const outcome = figures.passed ? 'PASS' : 'FAIL';
  console.log(figures.table());
  console.log(`${outcome} ${name} in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  return outcome;
}

function chosen(names: string[], r3: boolean): Drill[] {
  if (names.includes('all'))
    return DRILLS.filter((drill) => (r3 ? drill.r3 !== undefined : drill.r3 !== 'only'));
  return names.map((name) => {
    const drill = DRILLS.find((one) => one.name === name);
    if (drill === undefined) throw new Error(`there is no drill "${name}"\n\n${USAGE}`);
    if (r3 && drill.r3 === undefined) throw new Error(`the drill ${name} shows nothing of its own with --r3`);
    return drill;
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      r3: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || positionals.length === 0) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const drills = chosen(positionals, values.r3);
  endOnSignals();
  const outcomes: [string, Outcome][] = [];
  for (const drill of drills) {
    const r3 = values.r3 || drill.r3 === 'only';
    outcomes.push([drill.name, await perform(drill, { r3, long: values.long })]);
  }
  const of = (wanted: Outcome): string[] =>
    outcomes.filter(([, one]) => one === wanted).map(([name]) => name);
  console.log(
    `\n${of('PASS').length} passed, ${of('FAIL').length} failed, ${of('SKIP').length} skipped` +
      [...of('FAIL').map((name) => `\n  FAIL ${name}`), ...of('SKIP').map((name) => `\n  SKIP ${name}`)].join(
        '',
      ),
  );
  process.exitCode = of('FAIL').length > 0 ? 1 : 0;
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
