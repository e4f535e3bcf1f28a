import { groupSpecs } from './groups.js';

const typeNames = { string: 'string', bool: 'boolean', number: 'number', size: 'size' } as const;

/** The option groups in the form of query-command-line-options. */
export function describeGroups() {
  return groupSpecs.map(({ name, keys }) => ({
    option: name,
    parameters: keys.map((key) => ({
      name: key.name,
      type: typeNames[key.type],
      ...(key.help === undefined ? {} : { help: key.help }),
      ...(key.default === undefined ? {} : { default: key.default }),
    })),
  }));
}
