import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { keep } from './broker-cache.ts';
import type { BrokerStep, Search } from './broker-step.ts';
import { oneLine, runCommand } from './run-command.ts';

/** What differs between the two: the suites that have a new enough nats-server, where it is in them, who signs. */
const FAMILIES = {
  debian: { suites: ['forky', 'sid'], component: 'main', keyring: 'debian-archive-keyring' },
  ubuntu: { suites: ['devel'], component: 'universe', keyring: 'ubuntu-archive-keyring' },
} as const;
type Family = keyof typeof FAMILIES;

const WHOLE_TIME_MS = 180_000;

/**
 * The package of a newer suite from the machine's own mirror, verified by apt with the distribution's keyring and
 * unpacked into the cache. apt works on a state of its own: nothing is installed and the machine's lists stay as they
 * are, so no root is needed.
 */
export const debianPackage: BrokerStep = {
  does: 'fetching the nats-server package of a newer Debian or Ubuntu suite (apt checks its signature)',
  async find(search) {
    const family = await familyOfThisMachine(search.env);
    const mirrors = await ownMirrors(family, search.env);
    const keyring = await keyringOf(family);
    const reasons: string[] = [];
    for (const mirror of mirrors) {
      for (const suite of FAMILIES[family].suites) {
        const source = `deb [signed-by=${keyring}] ${mirror} ${suite} ${FAMILIES[family].component}`;
        try {
          return await keep(search.cacheDir, (workshop) => fetchPackage(source, workshop, search));
        } catch (error) {
          reasons.push(`${mirror} ${suite}: ${oneLine(error)}`);
          if (error instanceof NoNetwork) break;
        }
      }
    }
    throw new Error(reasons.join(', '));
  },
};

class NoNetwork extends Error {}

async function familyOfThisMachine(env: NodeJS.ProcessEnv): Promise<Family> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const names = [...release.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap(
    (match) => match[1]?.split(' ') ?? [],
  );
  const family = names.includes('ubuntu') ? 'ubuntu' : names.includes('debian') ? 'debian' : undefined;
  if (family === undefined) throw new Error('this is neither Debian nor Ubuntu');
  for (const tool of ['apt-get', 'apt-config', 'dpkg']) {
    await runCommand(tool, ['--version'], { timeoutMs: 10_000, env });
  }
  return family;
}

/** The mirrors of the distribution itself in the machine's apt configuration, whichever format that is in. */
async function ownMirrors(family: Family, env: NodeJS.ProcessEnv): Promise<string[]> {
  const format = '$(REPO_URI) $(COMPONENT)';
  const targets = await runCommand('apt-get', ['indextargets', '--format', format], {
    timeoutMs: 20_000,
    env,
  });
  const mirrors = targets
    .split('\n')
    .filter((line) => line.endsWith(' main'))
    .map((line) => line.slice(0, -' main'.length))
    .filter((uri) => new RegExp(`/${family}(-ports)?/?$`).test(uri));
  if (mirrors.length === 0) throw new Error(`apt knows no ${family} mirror`);
  return [...new Set(mirrors)];
}

async function keyringOf(family: Family): Promise<string> {
  for (const ending of ['gpg', 'pgp']) {
    const file = `/usr/share/keyrings/${FAMILIES[family].keyring}.${ending}`;
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  throw new Error(`/usr/share/keyrings has no ${FAMILIES[family].keyring}`);
}

async function fetchPackage(source: string, workshop: string, search: Search): Promise<string> {
  const env = await privateApt(source, workshop, search);
  await withFirstSign(join(workshop, 'lists'), search.patienceMs, (signal) =>
    runCommand('apt-get', ['update', '-q'], { timeoutMs: WHOLE_TIME_MS, env, signal }),
  );
  await runCommand('apt-get', ['download', '-q', 'nats-server'], {
    timeoutMs: WHOLE_TIME_MS,
    env,
    cwd: workshop,
  });
  const file = (await readdir(workshop)).find((name) => name.endsWith('.deb'));
  if (file === undefined) throw new Error('apt fetched no package');
  await runCommand('dpkg', ['-x', file, 'unpacked'], { timeoutMs: WHOLE_TIME_MS, env, cwd: workshop });
  for (const folder of ['usr/sbin', 'usr/bin']) {
    const names: string[] = await readdir(join(workshop, 'unpacked', folder)).catch(() => []);
    if (names.includes('nats-server')) return join(workshop, 'unpacked', folder, 'nats-server');
  }
  throw new Error('the package has no nats-server in it');
}

/**
 * An apt configuration with the machine's way to its mirrors (proxies, credentials) and nothing else of it: hooks and
 * preferences would reach outside of our folder.
 */
async function privateApt(source: string, workshop: string, search: Search): Promise<NodeJS.ProcessEnv> {
  const dump = await runCommand('apt-config', ['dump'], { timeoutMs: 20_000, env: search.env });
  const ways = dump.split('\n').filter((line) => /^(Acquire::(?!Languages)|APT::Architecture)/.test(line));
  for (const folder of ['lists/partial', 'archives/partial', 'state']) {
    await mkdir(join(workshop, folder), { recursive: true });
  }
  await writeFile(join(workshop, 'sources.list'), `${source}\n`);
  const seconds = Math.max(1, Math.ceil(search.patienceMs / 1000));
  const configuration = [
    ...ways,
    `Dir::Etc::main "/dev/null";`,
    `Dir::Etc::parts "/dev/null";`,
    `Dir::Etc::preferences "/dev/null";`,
    `Dir::Etc::preferencesparts "/dev/null";`,
    `Dir::Etc::SourceList "${workshop}/sources.list";`,
    `Dir::Etc::SourceParts "/dev/null";`,
    `Dir::State "${workshop}/state";`,
    `Dir::State::status "${workshop}/state/status";`,
    `Dir::State::Lists "${workshop}/lists";`,
    `Dir::Cache "${workshop}";`,
    `Dir::Cache::archives "${workshop}/archives";`,
    `Dir::Log "${workshop}";`,
    `APT::Sandbox::User "";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "0";`,
    `Acquire::http::Timeout "${seconds}";`,
    `Acquire::https::Timeout "${seconds}";`,
  ];
  await writeFile(join(workshop, 'state', 'status'), '');
  await writeFile(join(workshop, 'apt.conf'), `${configuration.join('\n')}\n`);
  return { ...search.env, APT_CONFIG: join(workshop, 'apt.conf'), LC_ALL: 'C' };
}

/** Ends the work when no byte has arrived in `folder` within the patience: there is no network, and apt waits long. */
async function withFirstSign<T>(
  folder: string,
  patienceMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const watch = async (): Promise<void> => {
    const end = performance.now() + patienceMs;
    while (performance.now() < end) {
      if (await hasBytes(folder)) return;
      await pause(100, undefined, { signal: finished.signal });
    }
    if (!(await hasBytes(folder)))
      controller.abort(new NoNetwork(`found no network within ${patienceMs / 1000} s`));
  };
  const finished = new AbortController();
  const watching = watch().catch(() => undefined);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    finished.abort();
    await watching;
  }
}

async function hasBytes(folder: string): Promise<boolean> {
  for (const name of [
    ...(await readdir(folder)),
    ...(await readdir(join(folder, 'partial'))).map((n) => `partial/${n}`),
  ]) {
    const entry = await stat(join(folder, name)).catch(() => undefined);
    if (entry?.isFile() === true && entry.size > 0) return true;
  }
  return false;
}
