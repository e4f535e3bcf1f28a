import type { JsonValue } from '../system/json.js';
import type { Property } from './property.js';
import type { ObjectClass } from './types.js';

function defaultText(value: JsonValue): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** One line of `-object TYPE,help`, `-M TYPE,help`, `-device TYPE,help` (QEMU: object_property_help). */
export function propertyHelp(name: string, { type, description, defaultValue }: Property): string {
  let line = `  ${name}=<${type}>`;
  if (description !== undefined || defaultValue !== undefined) line = `${line.padEnd(24)} - `;
  if (description !== undefined) line += description;
  if (defaultValue !== undefined) line += ` (default: ${defaultText(defaultValue)})`;
  return line;
}

/** `TYPE options:` and its properties in order of their lines, the tag `type` left out; '' for a type without options. */
export function propertiesHelp(type: ObjectClass, shown: (property: Property) => boolean): string {
  const lines = [...type.properties]
    .filter(([name, property]) => name !== 'type' && shown(property))
    .map(([name, property]) => `${propertyHelp(name, property)}\n`)
    .sort((a, b) => (a < b ? -1 : 1));
  return lines.length === 0 ? `There are no options for ${type.name}.\n` : `${type.name} options:\n${lines.join('')}`;
}
