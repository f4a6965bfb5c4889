import 'reflect-metadata';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { CONTROLLERS } from '../controllers.ts';
import { openApiDocument } from './document.ts';

/** Writes the OpenAPI document to proto/http/openapi.yaml, or to the file that is given. */
const file =
  process.argv[2] ?? fileURLToPath(new URL('../../../../proto/http/openapi.yaml', import.meta.url));
mkdirSync(dirname(file), { recursive: true });
writeFileSync(
  file,
  `# Generated from services/gateway by write-openapi.ts. Do not edit.\n${stringify(openApiDocument(CONTROLLERS), { aliasDuplicateObjects: false })}`,
);
process.stdout.write(`${file}\n`);
