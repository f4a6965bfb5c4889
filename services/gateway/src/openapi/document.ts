import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { z } from 'zod';
import { PROBLEMS, type ProblemCode } from '../problem/codes.ts';
import { OPERATION, type OperationAnswer, type OperationOptions } from './operation.ts';

type Schema = Record<string, unknown>;

interface Route {
  method: string;
  /** OpenAPI form: `/runs/{run_id}`. */
  path: string;
  operation: OperationOptions;
}

const VERSION = '0.1.0';
const ALWAYS: readonly ProblemCode[] = ['invalid_request', 'internal', 'overloaded'];
const WITH_BODY: readonly ProblemCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type'];
const WITH_CREDENTIAL: readonly ProblemCode[] = [
  'unauthenticated',
  'forbidden',
  'csrf_refused',
  'rate_limited',
  'issuer_unavailable',
];

/** OpenAPI 3.1 of these controllers, from the same metadata and schemas that serve the requests. */
export function openApiDocument(controllers: readonly Type[]): Schema {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const route of routesOf(controllers))
    (paths[route.path] ??= {})[route.method] = operationObject(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Runledger',
      version: VERSION,
      description:
        'Start a run, walk away, come back: every event of a run, in order, from the first, then live.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }, { session: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key (rl_<env>_<key id>_<secret>_<crc32>), or a token of a configured OIDC issuer',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'runledger_session',
          description:
            'Of POST /session; `__Host-runledger_session` unless the host is this machine. What is no GET also needs X-CSRF-Token',
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
      schemas: { Problem: problemSchema() },
    },
  };
}

/** Every route of these controllers. Throws on one that has no Operation. */
export function routesOf(controllers: readonly Type[]): Route[] {
  return controllers.flatMap((controller) => {
    const prefix = pathOf(controller);
    const prototype = controller.prototype as Record<string, unknown>;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = prototype[name];
      const method =
        typeof handler === 'function'
          ? (Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined)
          : undefined;
      if (typeof handler !== 'function' || method === undefined) return [];
      const operation = Reflect.getMetadata(OPERATION, handler) as OperationOptions | undefined;
      if (!operation) throw new Error(`${controller.name}.${name} has no Operation`);
      return [
        { method: RequestMethod[method].toLowerCase(), path: joined(prefix, pathOf(handler)), operation },
      ];
    });
  });
}

const pathOf = (target: object): string =>
  String((Reflect.getMetadata(PATH_METADATA, target) as string | undefined) ?? '');

function joined(prefix: string, path: string): string {
  const parts = [...prefix.split('/'), ...path.split('/')].filter((part) => part !== '');
  return `/${parts.map((part) => (part.startsWith(':') ? `{${part.slice(1)}}` : part)).join('/')}`;
}

function operationObject({ operation }: Route): Schema {
  const { id, summary, description, tag, access, body } = operation;
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    ...(access === 'public' ? { security: [] } : access.length > 0 ? { 'x-scopes': access } : {}),
    parameters: [
      ...parameters(operation.path, 'path'),
      ...parameters(operation.query, 'query'),
      ...headerParameters(operation),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: { 'application/json': { schema: schemaOf(body, 'input') } },
          },
        }),
    responses: { ...answers(operation), ...problems(operation) },
  };
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query'): Schema[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Schema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: property,
  }));
}

const headerParameters = ({ headers = {} }: OperationOptions): Schema[] =>
  Object.entries(headers)
    // OpenAPI describes Accept by the content of the answers, and ignores a parameter of that name.
    .filter(([name]) => name !== 'Accept')
    .map(([name, description]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
    }));

function answers(operation: OperationOptions): Schema {
  return Object.fromEntries(
    Object.entries(operation.answers).map(([status, answer]) => [status, answerObject(answer)]),
  );
}

function answerObject({
  description,
  schema,
  contentType = 'application/json',
  headers,
}: OperationAnswer): Schema {
  const hasBody = schema !== undefined || contentType !== 'application/json';
  return {
    description,
    ...(headers
      ? {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [
              name,
              { description: text, schema: { type: 'string' } },
            ]),
          ),
        }
      : {}),
    ...(hasBody
      ? { content: { [contentType]: { schema: schema ? schemaOf(schema, 'output') : { type: 'string' } } } }
      : {}),
  };
}

function problems(operation: OperationOptions): Schema {
  const codes = new Set<ProblemCode>([
    ...ALWAYS,
    ...(operation.access === 'public' ? [] : WITH_CREDENTIAL),
    ...(operation.body ? WITH_BODY : []),
    ...(operation.problems ?? []),
  ]);
  const byStatus = Map.groupBy([...codes], (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      {
        description: list.sort().join(', '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function problemSchema(): Schema {
  const text = { type: 'string' };
  return {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id', 'errors'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      instance: text,
      code: { type: 'string', enum: Object.keys(PROBLEMS).sort() },
      request_id: text,
      oldest_seq: {
        type: ['integer', 'null'],
        description: 'With 410: the oldest event that the run still has; null: none',
      },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['in', 'pointer', 'detail'],
          properties: {
            in: { type: 'string', enum: ['body', 'query', 'path', 'header'] },
            pointer: text,
            detail: text,
          },
        },
      },
    },
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    reused: 'inline',
  });
  return rest;
}
