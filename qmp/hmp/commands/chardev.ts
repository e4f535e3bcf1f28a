import { chardevChange } from '../../../src/chardev/commands.js';
import { backendKinds } from '../../../src/chardev/create.js';
import { chardevFromOptions, parseBackend } from '../../../src/chardev/options.js';
import { namedDescriptors } from '../../context.js';
import { int, rest, string } from '../args.js';
import { defineHmp, type HmpContext } from '../command.js';
import { readOptionText } from '../option-text.js';

function ids({ system }: HmpContext, index: number): string[] {
  return index === 0 ? [...system.tree.chardevs.children()].map(({ name }) => name) : [];
}

export const chardevCommands = [
  defineHmp({
    name: 'chardev-add',
    usage: 'args',
    help: 'make a character device',
    parameters: [rest('args')],
    run: async (ctx, { args }) => {
      const { id, ...options } = readOptionText('chardev', args);
      await chardevFromOptions(ctx.system, id, options, namedDescriptors(ctx));
      return undefined;
    },
    complete: (_, index) => (index === 0 ? backendKinds : []),
  }),
  defineHmp({
    name: 'chardev-change',
    usage: 'id args',
    help: 'put another character device in the place of one',
    parameters: [string('id'), rest('args')],
    run: async (ctx, { id, args }) => {
      const backend = { ...parseBackend(id, readOptionText('chardev', args)) };
      await chardevChange(ctx.system, id, backend, namedDescriptors(ctx));
      return undefined;
    },
    complete: ids,
  }),
  defineHmp({
    name: 'chardev-remove',
    usage: 'id',
    help: 'remove a character device',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('chardev-remove', args)),
    complete: ids,
  }),
  defineHmp({
    name: 'chardev-send-break',
    usage: 'id',
    help: 'send a break on a character device',
    parameters: [string('id')],
    run: async ({ qmp }, args) => void (await qmp('chardev-send-break', args)),
    complete: ids,
  }),
  defineHmp({
    name: 'ringbuf_write',
    usage: 'device data',
    help: 'write to a ring buffer',
    parameters: [string('device'), string('data')],
    run: async ({ qmp }, args) => void (await qmp('ringbuf-write', args)),
    complete: ids,
  }),
  defineHmp({
    name: 'ringbuf_read',
    usage: 'device size',
    help: 'read from a ring buffer',
    parameters: [string('device'), int('size')],
    run: async ({ qmp }, args) => `${visible(await qmp('ringbuf-read', args))}\n`,
    complete: ids,
  }),
];

export const chardevInfo = [
  defineHmp({
    name: 'chardev',
    help: 'show the character devices',
    allowPreconfig: true,
    run: async ({ qmp }) =>
      (await qmp('query-chardev')).map(({ label, filename }) => `${label}: filename=${filename}\n`).join(''),
  }),
];

/** Backslashes and control characters but newline and tab as a terminal can show them. */
function visible(text: string): string {
  const escaped = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replaceAll('\\', '\\\\').replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, escaped);
}
