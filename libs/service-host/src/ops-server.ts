import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';

export interface OpsServer {
  /** Base URL. */
  url: string;
  close(): Promise<void>;
}

export interface OpsOptions {
  service: string;
  instance: string;
  host: string;
  /** 0: any free port. */
  port: number;
  metrics: Registry;
  readiness: Readiness;
}

/** `/healthz`, `/readyz` and `/metrics`: there before anything else of the service is. */
export async function startOpsServer(options: OpsOptions): Promise<OpsServer> {
  const server = createServer((request, response) => {
    answer(request.url?.split('?')[0] ?? '/', request.method ?? 'GET', response, options).catch(
      (error: unknown) => {
        if (!response.headersSent)
          json(response, 500, { error: error instanceof Error ? error.message : String(error) });
        else response.destroy();
      },
    );
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.keepAliveTimeout = 5_000;
  await listen(server, options);
  return { url: urlOf(server, options.host), close: () => close(server) };
}

/** The URL at which this machine reaches a listening server. */
export function urlOf(server: Pick<Server, 'address'>, host: string): string {
  const { port } = server.address() as AddressInfo;
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

/** A port in use is said with the variable that sets it. */
export function listenError(error: unknown, variable: string, host: string, port: number): Error {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'EADDRINUSE')
    return new Error(`${host}:${port} is in use: set ${variable} to another port`, { cause: error });
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    return new Error(`cannot listen on ${host}:${port} (${code}): set RUNLEDGER_HOST and ${variable}`, {
      cause: error,
    });
  return error instanceof Error ? error : new Error(String(error));
}

async function answer(
  path: string,
  method: string,
  response: ServerResponse,
  options: OpsOptions,
): Promise<void> {
  const { service, instance, metrics, readiness } = options;
  if (method !== 'GET' && method !== 'HEAD') return json(response, 405, { error: 'only GET' });
  if (path === '/healthz') return json(response, 200, { status: 'alive', service, instance });
  if (path === '/readyz') {
    const { ready, checks } = await readiness.check();
    return json(response, ready ? 200 : 503, {
      status: ready ? 'ready' : 'not_ready',
      service,
      instance,
      checks,
    });
  }
  if (path !== '/metrics') return json(response, 404, { error: 'there is /healthz, /readyz and /metrics' });
  const text = await metrics.metrics();
  response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
}

function json(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(`${JSON.stringify(body)}\n`);
}

function listen(server: Server, { host, port }: OpsOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, 'RUNLEDGER_OPS_PORT', host, port)));
    server.listen(port, host, () => resolve());
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
