import type { JsonValue } from '@runledger/harness';
import { Ajv, type ValidateFunction } from 'ajv';

const MOST_WARNINGS = 20;
const REMEMBERED = 256;

/** Made once: compiling the meta-schema alone costs milliseconds. */
const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, logger: false });
/** By the schema's text; the oldest go first. */
const validators = new Map<string, ValidateFunction>();

/** Where a result does not fit its schema: one sentence each. A schema that cannot be used is a warning too. */
export function schemaWarnings(schema: JsonValue | undefined, result: JsonValue): string[] {
  if (schema === undefined || schema === null || typeof schema !== 'object') return [];
  try {
    const validate = validatorOf(schema);
    if (validate(result)) return [];
    return (validate.errors ?? [])
      .slice(0, MOST_WARNINGS)
      .map((error) => `${error.instancePath || 'the result'} ${error.message ?? 'does not fit'}`);
  } catch (error) {
    return [`the output schema cannot be used: ${error instanceof Error ? error.message : String(error)}`];
  }
}

function validatorOf(schema: object): ValidateFunction {
  const text = JSON.stringify(schema);
  const known = validators.get(text);
  if (known) return known;
  const made = ajv.compile(schema);
  // Two agents may use one `$id` for different schemas.
  ajv.removeSchema(schema);
  if (validators.size >= REMEMBERED) validators.delete(validators.keys().next().value ?? '');
  validators.set(text, made);
  return made;
}
