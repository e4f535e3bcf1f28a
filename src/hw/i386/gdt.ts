import { ByteWriter } from './byte-writer.js';

/** A segment register with the part of it that a CPU caches; the fields are those of a descriptor (AMD APM volume 2, section 4.7). */
export interface Segment {
  readonly selector: number;
  readonly base: number;
  /** In bytes, whatever the granularity. */
  readonly limit: number;
  readonly type: number;
  /** 1 for code and data, 0 for a system segment such as a TSS. */
  readonly s: number;
  readonly dpl: number;
  readonly present: number;
  readonly avl: number;
  readonly l: number;
  readonly db: number;
  readonly g: number;
}

/** Slots of the initial GDT (spec virtio.md, section 7). */
export const selectors = { code: 0x10, data: 0x18, tss: 0x20 } as const;

const CODE64 = 0x00af9b000000ffffn;
const CODE32 = 0x00cf9b000000ffffn;
const DATA = 0x00cf93000000ffffn;
/** A busy TSS, as a loaded one is. */
const TSS64 = 0x008f8b000000ffffn;
/** PVH asks for a limit of 0x67 (Xen docs/misc/pvh.pandoc). */
const TSS32 = 0x00008b0000000067n;

/** The descriptors of the initial GDT, by index; the high half of the 64-bit TSS is the entry after it. */
export function gdt(mode: 'long' | 'protected'): readonly bigint[] {
  return mode === 'long' ? [0n, 0n, CODE64, DATA, TSS64, 0n] : [0n, 0n, CODE32, DATA, TSS32];
}

export function encodeGdt(descriptors: readonly bigint[]): Uint8Array {
  const writer = new ByteWriter();
  for (const descriptor of descriptors) {
    writer.u32(Number(descriptor & 0xffffffffn)).u32(Number(descriptor >> 32n));
  }
  return writer.bytes();
}

/** What a segment register holds after `selector` was loaded from the table. @throws RangeError for a selector beyond it */
export function loadSegment(descriptors: readonly bigint[], selector: number): Segment {
  const descriptor = descriptors[selector >> 3];
  if (descriptor === undefined) throw new RangeError(`no descriptor for selector 0x${selector.toString(16)}`);
  const bits = (from: number, count: number) => Number((descriptor >> BigInt(from)) & ((1n << BigInt(count)) - 1n));
  const limit = bits(0, 16) + bits(48, 4) * 0x10000;
  const g = bits(55, 1);
  return {
    selector,
    base: bits(16, 24) + bits(56, 8) * 0x1000000,
    limit: g === 1 ? limit * 0x1000 + 0xfff : limit,
    type: bits(40, 4),
    s: bits(44, 1),
    dpl: bits(45, 2),
    present: bits(47, 1),
    avl: bits(52, 1),
    l: bits(53, 1),
    db: bits(54, 1),
    g,
  };
}
