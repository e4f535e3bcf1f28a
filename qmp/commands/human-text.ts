import type { RamBlock } from '../../src/hostmem/api.js';
import { QemuError } from '../../src/system/errors.js';
import { sizeText } from '../../src/system/numbers.js';
import { defineCommand } from '../command.js';
import { HumanReadableText } from '../types.js';

/** Of x-query-*: what these machines lack reads as nothing, as on a QEMU machine without it. */
const nothing = (
  [
    ['x-query-roms', 'Shows read-only memories as text; empty.'],
    ['x-query-irq', 'Shows counts of interrupts as text; empty.'],
    ['x-query-interrupt-controllers', 'Shows the state of interrupt controllers as text; empty.'],
    ['x-accel-stats', 'Shows statistics of the accelerator as text; empty.'],
  ] as const
).map(([name, doc]) =>
  defineCommand({
    name,
    doc,
    returns: HumanReadableText,
    features: ['unstable'],
    handler: () => ({ 'human-readable-text': '' }),
  }),
);

function hex(value: number | bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}

function ramBlockTable(blocks: readonly RamBlock[]): string {
  const row = (name: string, page: string, columns: readonly string[], access: string): string =>
    `${name.padStart(24)} ${page.padStart(8)}  ${columns.map((column) => column.padStart(18)).join(' ')} ${access.padStart(3)}\n`;
  const rows = blocks.map((block) => {
    const columns = [block.offset, block.size, block.size, block.address].map(hex);
    return row(block.mapped ? block.id : '', sizeText(block.pageSize), columns, block.readonly ? 'ro' : 'rw');
  });
  return row('Block Name', 'PSize', ['Offset', 'Used', 'Total', 'HVA'], 'RO') + rows.join('');
}

export const commands = [
  ...nothing,

  defineCommand({
    name: 'x-query-numa',
    doc: 'Shows NUMA nodes as text.',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: () => ({ 'human-readable-text': '0 nodes\n' }),
  }),

  defineCommand({
    name: 'x-query-ramblock',
    doc: 'Shows blocks of guest memory as text.',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: async ({ system }) => {
      const { ramBlocks } = await import('../../src/hostmem/api.js');
      return { 'human-readable-text': ramBlockTable(ramBlocks(system, 'all')) };
    },
  }),

  defineCommand({
    name: 'x-query-usb',
    doc: 'Shows USB devices as text; fails, since there is no USB.',
    returns: HumanReadableText,
    features: ['unstable'],
    handler: () => {
      throw new QemuError('USB support not enabled');
    },
  }),

  defineCommand({
    name: 'x-query-jit',
    doc: 'Shows statistics of the translator as text; empty.',
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
