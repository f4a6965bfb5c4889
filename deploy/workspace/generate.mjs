// Writes proto/generated from its sources: the layout from subjects.yaml, messages from *.proto, HTTP types from
// openapi.yaml. Running it twice leaves no diff; `npm run check` compares.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLayout, layoutSource } from './layout-source.mjs';
import { messageIndexSource } from './message-index-source.mjs';

const root = new URL('../../', import.meta.url).pathname;
const proto = join(root, 'proto');
const generated = join(proto, 'generated');
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };

// `clean: true` of buf empties the folder, so buf runs first.
execFileSync(join(bin, 'buf'), ['generate'], { cwd: proto, env, stdio: 'inherit' });
mkdirSync(generated, { recursive: true });
writeFileSync(join(generated, 'layout.ts'), layoutSource(readLayout(join(proto, 'subjects.yaml'))));

const openapi = join(proto, 'http', 'openapi.yaml');
const hasHttp = existsSync(openapi);
if (hasHttp) {
  execFileSync(join(bin, 'openapi-typescript'), [openapi, '--output', join(generated, 'http.ts')], {
    cwd: root,
    env,
    stdio: 'ignore',
  });
}

const families = readdirSync(join(generated, 'runledger', 'v1'))
  .filter((name) => name.endsWith('_pb.ts'))
  .sort();
const sources = families.map((name) => ({
  path: `./runledger/v1/${name}`,
  file: join(generated, 'runledger', 'v1', name),
}));
writeFileSync(join(generated, 'index.ts'), messageIndexSource(sources, hasHttp));
