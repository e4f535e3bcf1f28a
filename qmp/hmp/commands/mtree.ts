import type { MemoryRegion } from '../../../src/system/memory.js';
import type { System } from '../../../src/system/system.js';
import { flatView } from '../../flat-view.js';

interface AddressSpace {
  readonly name: string;
  readonly root: MemoryRegion;
  /** The root answers accesses that nothing inside takes (open bus of the I/O space). */
  readonly rootAnswers: boolean;
}

function addressSpaces(system: System): AddressSpace[] {
  return [
    { name: 'I/O', root: system.ioMemory, rootAnswers: true },
    { name: 'memory', root: system.systemMemory, rootAnswers: false },
  ];
}

function address(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

function regionLine(first: bigint, last: bigint, { priority, kind, label, alias }: MemoryRegion): string {
  const range = `${address(first)}-${address(last)} (prio ${priority}, ${kind}): `;
  if (alias === undefined) return `${range}${label}`;
  const { region, offset } = alias;
  return `${range}alias ${label} @${region.label} ${address(offset)}-${address(offset + last - first)}`;
}

function regionText(region: MemoryRegion, base: bigint, indent: string): string {
  const first = base + region.addr;
  const own = `${indent}${regionLine(first, first + region.size - 1n, region)}\n`;
  return own + region.subregions.map((child) => regionText(child, first, `${indent}  `)).join('');
}

/** The regions that show through an alias below `region`. */
function aliased(region: MemoryRegion): MemoryRegion[] {
  return [...(region.alias === undefined ? [] : [region.alias.region]), ...region.subregions.flatMap(aliased)];
}

/** `info mtree`: the regions of each address space, nested (QEMU: system/memory.c, mtree_info). */
export function memoryTree(system: System): string {
  const spaces = addressSpaces(system);
  const sections = spaces.map(({ name, root }) => `address-space: ${name}\n${regionText(root, 0n, '  ')}\n`);
  const targets = new Set(spaces.flatMap(({ root }) => aliased(root)));
  return [...sections, ...[...targets].map(targetText)].join('');
}

function targetText(region: MemoryRegion): string {
  return `memory-region: ${region.label}\n${regionText(region, 0n, '  ')}\n`;
}

/** A root that only passes on to one region at its start is left out. */
function viewRoot({ root, rootAnswers }: AddressSpace): MemoryRegion | undefined {
  if (rootAnswers) return root;
  const [only, second] = root.subregions;
  if (only === undefined) return undefined;
  return second === undefined && only.addr === 0n && only.alias === undefined ? only : root;
}

/** `info mtree -f`: what is visible of each address space. */
export function flatMemoryTree(system: System): string {
  return addressSpaces(system)
    .map((space, i) => {
      const { name, root, rootAnswers } = space;
      const lines = flatView(root, (region) => region !== root || rootAnswers).map(
        ({ first, last, region, offset }) =>
          `  ${regionLine(first, last, region)}${offset === 0n ? '' : ` @${address(offset)}`}\n`,
      );
      const top = viewRoot(space)?.label ?? '(none)';
      const body = lines.length === 0 ? '  No rendered FlatView\n' : lines.join('');
      return `FlatView #${i}\n AS "${name}", root: ${root.label}\n Root memory region: ${top}\n${body}\n`;
    })
    .join('');
}
