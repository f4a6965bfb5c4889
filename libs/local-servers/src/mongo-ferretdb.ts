import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FERRETDB_CHANGES, FERRETDB_FILES, FERRETDB_PINNED } from './mongo-ferretdb-changes.ts';
import { onShelf } from './mongo-shelf.ts';
import type { MongoBinary, MongoStep } from './mongo-step.ts';
import { runCommand } from './run-command.ts';

const MODULE = 'github.com/FerretDB/FerretDB';
/** Names the changes as well as the version, so that a cache never has a program of other changes. */
const BUILD = `${FERRETDB_PINNED}-3`;
const BUILD_MS = 1_200_000;

export const ferretdbShelf = (cacheDir: string): string => join(cacheDir, 'ferretdb', BUILD);

/** Builds FerretDB 1 with its SQLite backend; Go checks what it fetches against its checksum database. */
export const ferretdb: MongoStep = {
  does: `building FerretDB ${FERRETDB_PINNED} with a Go toolchain (takes some minutes, once)`,
  async find({ env, cacheDir, log, patienceMs }) {
    const make = async (workshop: string): Promise<string> => {
      const go = goIn({ ...env, CGO_ENABLED: '0', GOFLAGS: '-trimpath -buildvcs=false' });
      await runCommand('go', ['version'], { cwd: workshop, env, timeoutMs: 10_000 });
      // A look at the version first: it is small, so that a missing network shows at once.
      await go(['list', '-m', `${MODULE}@v${FERRETDB_PINNED}`], workshop, patienceMs);
      const said = await go(
        ['mod', 'download', '-json', `${MODULE}@v${FERRETDB_PINNED}`],
        workshop,
        BUILD_MS,
      );
      const { Dir: fetched } = JSON.parse(said) as { Dir: string };
      const source = join(workshop, 'source');
      await changedCopy(fetched, source);
      await mkdir(join(workshop, 'program'));
      const tags = 'ferretdb_no_postgresql,ferretdb_no_mysql,ferretdb_no_hana';
      const output = join(workshop, 'program', 'ferretdb');
      await go(['build', '-tags', tags, '-o', output, './cmd/ferretdb'], source, BUILD_MS);
      return join(workshop, 'program');
    };
    return { binary: await onShelf(ferretdbShelf(cacheDir), { make, log, accept: ferretdbAt }) };
  },
};

/** Politely: it takes every processor for a while. */
const goIn =
  (env: NodeJS.ProcessEnv) =>
  (args: string[], cwd: string, timeoutMs: number): Promise<string> =>
    runCommand('nice', ['-n', '10', 'go', ...args], { cwd, env, timeoutMs });

/** The fetched source is read-only, and shared with everybody who uses Go. */
async function changedCopy(fetched: string, source: string): Promise<void> {
  await cp(fetched, source, { recursive: true, mode: 0 });
  await runCommand('chmod', ['-R', 'u+w', source], { timeoutMs: 60_000 });
  for (const { file, from, to } of FERRETDB_CHANGES) {
    const path = join(source, file);
    const text = await readFile(path, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} of FerretDB ${FERRETDB_PINNED} is not as expected`);
    await writeFile(path, text.replaceAll(from, to));
  }
  for (const [file, text] of Object.entries(FERRETDB_FILES)) await writeFile(join(source, file), text);
}

export async function ferretdbAt(place: string): Promise<MongoBinary> {
  const path = join(place, 'ferretdb');
  const answer = await runCommand(path, ['--version'], { timeoutMs: 20_000 });
  const version = /version: v(\S+)/.exec(answer)?.[1];
  if (version !== FERRETDB_PINNED)
    throw new Error(`${path} does not answer like FerretDB ${FERRETDB_PINNED}`);
  return { path, version, kind: 'ferretdb' };
}
