import type { QomObject } from '../../../src/qom/object.js';
import { objectAt, resolvePath } from '../../../src/qom/path.js';
import { parseJson } from '../../json/text.js';
import { writeJson } from '../../json/writer.js';
import { flag, optional, rest, string } from '../args.js';
import { defineHmp, type HmpContext } from '../command.js';

/** Paths below the part of `word` that is already a path. */
export function completePath({ system }: HmpContext, word: string): string[] {
  const slash = word.lastIndexOf('/');
  if (slash < 0) return ['/'];
  const above = word.slice(0, slash);
  const { object } = resolvePath(system.tree.root, above === '' ? '/' : above);
  return object === undefined ? [] : [...object.children()].map(({ name }) => `${above}/${name}`);
}

function completeProperty({ system }: HmpContext, path: string): string[] {
  const { object } = resolvePath(system.tree.root, path);
  return object === undefined ? [] : [...object.properties()].map(([name]) => name);
}

function completePathAndProperty(ctx: HmpContext, index: number, words: readonly string[]): string[] {
  if (index === 0) return completePath(ctx, words[0] ?? '');
  return index === 1 ? completeProperty(ctx, words[0] ?? '') : [];
}

/** The composition tree below an object, children in order of their names. */
function treeText(object: QomObject, indent: number): string {
  const children = [...object.children()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const own = `${' '.repeat(indent)}/${object.name} (${object.type.name})\n`;
  return own + children.map((child) => treeText(child, indent + 2)).join('');
}

export const qomCommands = [
  defineHmp({
    name: 'qom-list',
    usage: 'path',
    help: 'list the properties of an object',
    parameters: [optional(string('path'))],
    allowPreconfig: true,
    run: async ({ qmp }, { path }) => {
      if (path === undefined) return '/\n';
      const properties = await qmp('qom-list', { path });
      return properties.map(({ name, type }) => `${name} (${type})\n`).join('');
    },
    complete: (ctx, index, words) => (index === 0 ? completePath(ctx, words[0] ?? '') : []),
  }),
  defineHmp({
    name: 'qom-get',
    usage: 'path property',
    help: 'show the value of a property',
    parameters: [string('path'), string('property')],
    allowPreconfig: true,
    run: async ({ qmp }, args) => `${writeJson(await qmp('qom-get', args), true)}\n`,
    complete: completePathAndProperty,
  }),
  defineHmp({
    name: 'qom-set',
    usage: '[-j] path property value',
    help: 'set a property; with -j the value is JSON',
    parameters: [flag('json', 'j'), string('path'), string('property'), rest('value')],
    allowPreconfig: true,
    run: async ({ qmp, system }, { json, path, property, value }) => {
      if (json) await qmp('qom-set', { path, property, value: parseJson(value) });
      else await objectAt(system.tree.root, path).set(property, value, 'keyval');
    },
    complete: completePathAndProperty,
  }),
];

export const qomInfo = [
  defineHmp({
    name: 'qom-tree',
    usage: '[path]',
    help: 'show the object tree',
    parameters: [optional(string('path'))],
    allowPreconfig: true,
    run: ({ system }, { path }) => {
      const { object, ambiguous } = resolvePath(system.tree.root, path ?? '/machine');
      if (object === undefined && !ambiguous) return `Path '${path ?? '/machine'}' could not be resolved.\n`;
      const warning = ambiguous ? `Warning: Path '${path ?? ''}' is ambiguous.\n` : '';
      return warning + (object === undefined ? '' : treeText(object, 0));
    },
    complete: (ctx, index, words) => (index === 0 ? completePath(ctx, words[0] ?? '') : []),
  }),
];
