import type { JsonValue } from '@runledger/harness';
import { Ajv } from 'ajv';

const MOST_WARNINGS = 20;

/** Where a result does not fit its schema: one sentence each. A schema that cannot be used is a warning too. */
export function schemaWarnings(schema: JsonValue | undefined, result: JsonValue): string[] {
  if (schema === undefined || schema === null || typeof schema !== 'object') return [];
  try {
    const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, logger: false });
    const validate = ajv.compile(schema);
    if (validate(result)) return [];
    return (validate.errors ?? [])
      .slice(0, MOST_WARNINGS)
      .map((error) => `${error.instancePath || 'the result'} ${error.message ?? 'does not fit'}`);
  } catch (error) {
    return [`the output schema cannot be used: ${error instanceof Error ? error.message : String(error)}`];
  }
}
