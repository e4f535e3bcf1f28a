import type { ObjectClass } from '../qom/types.js';
import { groupSpecs } from './groups.js';

const typeNames = { string: 'string', bool: 'boolean', number: 'number', size: 'size' } as const;
/** For types of properties; all others are given as text. */
const propertyTypeNames: Readonly<Record<string, 'boolean' | 'number' | 'size'>> = {
  bool: 'boolean',
  int: 'number',
  size: 'size',
};

/**
 * The option groups in the form of query-command-line-options.
 *
 * @param machines the machine types, whose properties are the parameters of `-machine`
 */
export function describeGroups(machines: readonly ObjectClass[]) {
  return groupSpecs.map(({ name, keys }) => ({
    option: name,
    parameters:
      name === 'machine'
        ? machineParameters(machines)
        : keys.map((key) => ({
            name: key.name,
            type: typeNames[key.type],
            ...(key.help === undefined ? {} : { help: key.help }),
            ...(key.default === undefined ? {} : { default: key.default }),
          })),
  }));
}

function machineParameters(machines: readonly ObjectClass[]) {
  const settable = machines.flatMap(({ properties }) => [...properties].filter(([, { set }]) => set !== undefined));
  return [
    { name: 'type', type: 'string' as const, help: 'machine type' },
    ...[...new Map(settable)].map(([name, { type, description }]) => ({
      name,
      type: propertyTypeNames[type] ?? ('string' as const),
      ...(description === undefined ? {} : { help: description }),
    })),
  ];
}
