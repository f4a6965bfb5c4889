import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

/** Paths whose value is never written, wherever they stand in the fields of a line. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'password',
  'secret',
  'secretKey',
  'secret_key',
  'api_key',
  'apiKey',
  'modelApiKey',
  'token',
  'credentials',
  'settings',
  'env',
];

/** Our own keys, sessions and tokens, and bearer credentials, should one end up in a text. */
const SECRET_TEXT =
  /\brl_[a-z0-9]+_[A-Za-z0-9_-]{8,}|\brs_[A-Za-z0-9]{16}_[A-Za-z0-9_]{8,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+|\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{8,}|(?<=:\/\/)[^/@\s"]+:[^/@\s"]+(?=@)/g;

export interface LogOptions {
  service: string;
  instance: string;
  level: string;
  /** Default: stdout. */
  destination?: DestinationStream;
}

/** JSON lines. Requests, replies and errors are written by an allow-list of their fields. */
export function serviceLog({ service, instance, level, destination }: LogOptions): Logger {
  const options = {
    level,
    base: { service, instance },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap(everywhere), censor: '[redacted]' },
    serializers: { req: requestFields, res: replyFields, err: errorFields, error: errorFields },
    hooks: { streamWrite: (line: string) => line.replaceAll(SECRET_TEXT, '[redacted]') },
  };
  return destination ? pino(options, destination) : pino(options);
}

function everywhere(field: string): string[] {
  const key = `["${field}"]`;
  return [key, `*${key}`, `*.*${key}`];
}

function requestFields(request: { id?: unknown; method?: unknown; url?: unknown }): object {
  // A query may carry what a person typed; the path does not.
  const path = typeof request.url === 'string' ? request.url.split('?')[0] : undefined;
  return { id: request.id, method: request.method, path };
}

function replyFields(reply: { statusCode?: unknown }): object {
  return { status: reply.statusCode };
}

function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  return {
    name,
    code: (error as { code?: unknown }).code,
    message,
    stack,
    ...(error.cause instanceof Error ? { cause: error.cause.message } : {}),
  };
}

/** Nest's own lines in the service's log. Its start-up talk is debug. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(this.fields(rest), String(message));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(this.fields(rest), String(message));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(this.fields(rest), String(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn(this.fields(rest), String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error(
      { ...this.fields(rest), ...(message instanceof Error ? { error: message } : {}) },
      String(message),
    );
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal(this.fields(rest), String(message));
  }

  private fields(rest: unknown[]): { from?: string } {
    const from = rest.at(-1);
    return typeof from === 'string' ? { from } : {};
  }
}
