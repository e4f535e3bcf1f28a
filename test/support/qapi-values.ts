import fc from 'fast-check';
import type { ObjectType, QapiType } from '../../src/qom/qapi.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';

/** Any JSON value, often one that means something to the monitor. */
export const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<JsonValue>(null, true, '', '/machine', 'type', 0, 1, -1, 2n ** 63n, 2n ** 64n - 1n),
    fc.string({ maxLength: 20 }),
    fc.integer(),
    fc.double(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** Values that fit a type; now and then one part does not. */
export function valueOfType(type: QapiType): fc.Arbitrary<JsonValue> {
  return fc.oneof({ weight: 20, arbitrary: fitting(type) }, { weight: 1, arbitrary: anyJson });
}

function fitting(type: QapiType): fc.Arbitrary<JsonValue> {
  switch (type.meta) {
    case 'enum':
      return type.values.length === 0 ? anyJson : fc.constantFrom(...type.values);
    case 'array':
      return fc.array(valueOfType(type.element), { maxLength: 3 });
    case 'alternate':
      return fc.oneof(...type.types.map(valueOfType));
    case 'object':
      return fittingObject(type);
    case 'builtin':
      return fittingBuiltin(type.name);
  }
}

function fittingObject(type: ObjectType): fc.Arbitrary<JsonValue> {
  const members = Object.entries(type.members);
  const model = Object.fromEntries(members.map(([name, member]) => [name, valueOfType(member.type)]));
  const requiredKeys = members.filter(([, member]) => !member.optional).map(([name]) => name);
  const common = fc.record(model, { requiredKeys }) as fc.Arbitrary<JsonObject>;
  const variants = Object.values(type.variants ?? {});
  if (variants.length === 0) return common;
  return fc
    .tuple(common, fc.oneof(...variants.map(fitting)))
    .map(([own, more]) => ({ ...own, ...(more as JsonObject) }));
}

function fittingBuiltin(name: string): fc.Arbitrary<JsonValue> {
  switch (name) {
    case 'str':
      return fc.oneof(fc.constantFrom('/machine', 'type', '/objects', 'a', ''), fc.string({ maxLength: 12 }));
    case 'bool':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'any':
      return anyJson;
    default:
      return fc.integer({ min: -2, max: 300 });
  }
}
