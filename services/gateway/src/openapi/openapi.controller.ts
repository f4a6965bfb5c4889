import { Controller, Get, Header, Inject } from '@nestjs/common';
import { z } from 'zod';
import { docsPage } from './docs-page.ts';
import { Operation } from './operation.ts';

/** Injection token of the document. */
export const OPENAPI_DOCUMENT = Symbol('OPENAPI_DOCUMENT');

@Controller()
export class OpenApiController {
  constructor(@Inject(OPENAPI_DOCUMENT) private readonly document: Record<string, unknown>) {}

  @Get('openapi.json')
  @Operation({
    id: 'openapi',
    summary: 'This API as OpenAPI 3.1',
    tag: 'documentation',
    access: 'public',
    answers: { 200: { description: 'The document', schema: z.looseObject({ openapi: z.string() }) } },
  })
  json(): Record<string, unknown> {
    return this.document;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Operation({
    id: 'docs',
    summary: 'This API as a page',
    tag: 'documentation',
    access: 'public',
    answers: { 200: { description: 'The page', contentType: 'text/html' } },
  })
  page(): string {
    return docsPage(this.document);
  }
}
