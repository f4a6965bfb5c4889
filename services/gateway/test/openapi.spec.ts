import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { CONTROLLERS } from '../src/controllers.ts';
import { openApiDocument } from '../src/openapi/document.ts';
import { startGateway } from './running-gateway.ts';

interface Described {
  paths: Record<
    string,
    Record<
      string,
      { operationId: string; responses: Record<string, unknown>; parameters: { name: string; in: string }[] }
    >
  >;
}

/** The routes that Fastify really has. */
async function registeredRoutes(): Promise<string[]> {
  const routes: string[] = [];
  const gateway = await startGateway({
    beforeInit: (app) =>
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onRoute', ({ method, url }) => {
          for (const name of [method].flat())
            routes.push(`${name.toLowerCase()} ${url.replace(/:(\w+)/g, '{$1}')}`);
        }),
  });
  await gateway.stop();
  return routes;
}

describe('the OpenAPI document', () => {
  const document = openApiDocument(CONTROLLERS) as unknown as Described;
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );

  it('has every route of the code, and the code has every route of it', async () => {
    // Fastify answers HEAD wherever there is a GET.
    const routes = (await registeredRoutes()).filter((route) => !route.startsWith('head '));
    expect([...new Set(routes)].sort()).toEqual([...described].sort());
    expect(described.length).toBeGreaterThanOrEqual(15);
  });

  it('names every operation once, describes every parameter of a path and the answers of every problem', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(new Set(operations.map((operation) => operation.operationId)).size).toBe(operations.length);
    for (const { path, parameters, responses } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(
        parameters.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name),
      ).toEqual(inPath);
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '500', '503']));
    }
  });

  it('is the one in proto/http', async () => {
    const text = await readFile(new URL('../../../proto/http/openapi.yaml', import.meta.url), 'utf8');
    expect(parse(text)).toEqual(JSON.parse(JSON.stringify(document)));
  });
});
