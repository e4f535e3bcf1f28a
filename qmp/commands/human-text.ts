import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';
import { HumanReadableText } from '../types.js';

/** Of x-query-*: what these machines lack reads as nothing, as on a QEMU machine without it. */
const nothing = (['x-query-roms', 'x-query-irq', 'x-query-interrupt-controllers', 'x-accel-stats'] as const).map(
  (name) =>
    defineCommand({
      name,
      returns: HumanReadableText,
      features: ['unstable'],
      handler: () => ({ 'human-readable-text': '' }),
    }),
);

export const commands = [
  ...nothing,

  defineCommand({
    name: 'x-query-numa',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: () => ({ 'human-readable-text': '0 nodes\n' }),
  }),

  defineCommand({
    name: 'x-query-usb',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: () => {
      throw new QemuError('USB support not enabled');
    },
  }),

  defineCommand({
    name: 'x-query-jit',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: ({ system }) => {
      if (system.accel?.acceleratorName !== 'tcg') {
        throw new QemuError('JIT information is only available with accel=tcg');
      }
      return { 'human-readable-text': '' };
    },
  }),
];
