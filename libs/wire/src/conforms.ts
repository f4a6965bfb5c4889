import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { EVENT_SCHEMAS } from '@runledger/proto';

/**
 * The check of an event's JSON against its message. One checker per message is compiled at its first use.
 * - A field that is not `optional` must be there; an optional one may be absent or null.
 * - Integers are JSON numbers, never strings; free JSON is anything, null included.
 * - Fields that the message does not know are allowed.
 */

const MAX_FAULTS = 20;
const FREE_JSON = 'google.protobuf.Value';

/** Adds to `faults` what is wrong with `value`; `path` names it. */
type Check = (value: unknown, path: string, faults: string[]) => void;

const schemas = new Map(Object.entries(EVENT_SCHEMAS));
const compiled = new Map<DescMessage, Check>();

/**
 * Faults of an event's data, each beginning with the field's path; none for data that conforms and for unknown types.
 * At most 20 are listed.
 */
export function conforms(type: string, data: unknown): string[] {
  const schema = schemas.get(type);
  if (!schema) return [];
  const faults: string[] = [];
  messageCheck(schema)(data, 'data', faults);
  return faults.slice(0, MAX_FAULTS);
}

function messageCheck(schema: DescMessage): Check {
  const known = compiled.get(schema);
  if (known) return known;
  const check = WELL_KNOWN.get(schema.typeName) ?? fieldsCheck(schema);
  compiled.set(schema, check);
  return check;
}

function fieldsCheck(schema: DescMessage): Check {
  const fields = schema.fields.map((field) => ({
    name: field.name,
    optional: field.proto.proto3Optional,
    check: fieldCheck(field),
  }));
  return (value, path, faults) => {
    if (!isObject(value)) return void faults.push(expected(path, 'an object', value));
    for (const { name, optional, check } of fields) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      if (given === undefined) {
        if (!optional) faults.push(`${path}.${name} is missing`);
      } else if (!(optional && given === null)) check(given, `${path}.${name}`, faults);
      if (faults.length >= MAX_FAULTS) return;
    }
  };
}

function fieldCheck(field: DescField): Check {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarCheck(field.scalar);
    case 'message':
      return messageCheck(field.message);
    case 'list':
      return listCheck(elementCheck(field));
    case 'map':
      return mapCheck(elementCheck(field));
    case 'enum':
      return stringCheck;
  }
}

/** The check of a list's elements or of a map's values. */
function elementCheck(field: Extract<DescField, { fieldKind: 'list' | 'map' }>): Check {
  if (field.message) return messageCheck(field.message);
  return field.scalar === undefined ? stringCheck : scalarCheck(field.scalar);
}

const listCheck =
  (element: Check): Check =>
  (value, path, faults) => {
    if (!Array.isArray(value)) return void faults.push(expected(path, 'an array', value));
    for (const [index, item] of value.entries()) {
      element(item, `${path}[${index}]`, faults);
      if (faults.length >= MAX_FAULTS) return;
    }
  };

const mapCheck =
  (element: Check): Check =>
  (value, path, faults) => {
    if (!isObject(value)) return void faults.push(expected(path, 'an object', value));
    for (const [key, item] of Object.entries(value)) {
      element(item, `${path}[${JSON.stringify(key.slice(0, 64))}]`, faults);
      if (faults.length >= MAX_FAULTS) return;
    }
  };

function scalarCheck(scalar: ScalarType): Check {
  switch (scalar) {
    case ScalarType.BOOL:
      return simpleCheck('true or false', (value) => typeof value === 'boolean');
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return simpleCheck('a number', Number.isFinite);
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return stringCheck;
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integerCheck(-(2 ** 31), 2 ** 31 - 1);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integerCheck(0, 2 ** 32 - 1);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return integerCheck(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return integerCheck(0, Number.MAX_SAFE_INTEGER);
  }
}

const integerCheck = (lowest: number, highest: number): Check =>
  simpleCheck(
    `a whole number from ${lowest} to ${highest}`,
    (value) => Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest,
  );

function simpleCheck(what: string, accepts: (value: unknown) => boolean): Check {
  return (value, path, faults) => {
    if (!accepts(value)) faults.push(expected(path, what, value));
  };
}

const stringCheck = simpleCheck('a string', (value) => typeof value === 'string');

const WELL_KNOWN = new Map<string, Check>([
  [FREE_JSON, () => undefined],
  ['google.protobuf.Struct', simpleCheck('an object', isObject)],
  ['google.protobuf.ListValue', simpleCheck('an array', Array.isArray)],
]);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const expected = (path: string, what: string, value: unknown): string =>
  `${path} is ${kindOf(value)}, not ${what}`;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'number' ? String(value) : `a ${typeof value}`;
}
