import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { PERMISSIONS } from '@runledger/proto';

const SERVICES = join(import.meta.dirname, '../../../services');

/** `<service> <stream>.<durable>` of every consumer definition in the sources; a pool's name is `<pool>`. */
function defined(): string[] {
  return readdirSync(SERVICES).flatMap((service) => {
    const folder = join(SERVICES, service, 'src', 'consumers');
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((file) => {
      const text = readFileSync(join(folder, file), 'utf8').replaceAll('${pool}', '<pool>');
      const [, durable] = /\bdurable: ['"`]([^'"`]+)['"`]/.exec(text) ?? [];
      const [, stream] = /\bstream: ['"`]([^'"`]+)['"`]/.exec(text) ?? [];
      return durable === undefined ? [] : [`${service} ${stream}.${durable}`];
    });
  });
}

/** The same, as the broker allows it. */
function granted(): string[] {
  return Object.entries(PERMISSIONS).flatMap(([service, { publish }]) =>
    publish.flatMap((subject) => {
      const [, at] = /^\$JS\.API\.CONSUMER\.MSG\.NEXT\.(.+)$/.exec(subject) ?? [];
      return at === undefined ? [] : [`${service} ${at}`];
    }),
  );
}

describe('the durables of the services', () => {
  it('are those under `consumers` in proto/subjects.yaml: any other is refused by the broker', () => {
    expect(defined()).toContain('run-scheduler RUNS.run-scheduler-runs');
    expect(defined().sort()).toEqual(granted().sort());
  });
});
