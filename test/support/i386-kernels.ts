import type { ByteSource } from '../../src/hw/i386/kernel-image.js';
import { ramRanges } from '../../src/hw/i386/memory-layout.js';
import { GuestMemory } from '../../src/system/guest-memory.js';
import { pattern } from './kernels.js';
import { SparseRam } from './sparse-ram.js';

export const MIB = 1024 * 1024;

/** Memory of a machine with that much RAM, laid out as ours. */
export const machineMemory = (size: number): GuestMemory => new GuestMemory(ramRanges(new SparseRam(size)));

/** Bytes as a file that is read at random; a read beyond the end is an error. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    bytes: async (position, length) => bytes.slice(position, position + length),
    readInto: async (position, views) => {
      let at = position;
      for (const view of views) {
        if (at + view.length > bytes.length) throw new RangeError(`read of ${view.length} bytes at ${at}`);
        view.set(bytes.subarray(at, at + view.length));
        at += view.length;
      }
    },
  };
}

/** A kernel of the 64-bit boot protocol, its fields as Linux 6.12 sets them (boot.rst names the offsets). */
export function linuxImage(
  size = 64 * 1024,
  fields: { prefAddress?: bigint; initSize?: number; setupSects?: number } = {},
): Buffer {
  const { prefAddress = 0x1000000n, initSize = 0xe21000, setupSects = 4 } = fields;
  const bytes = pattern(size, 5);
  bytes.writeUInt8(setupSects, 0x1f1);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.writeUInt8(0xeb, 0x200);
  bytes.writeUInt8(0x6a, 0x201);
  bytes.write('HdrS', 0x202, 'latin1');
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt8(0x01, 0x211);
  bytes.writeUInt32LE(0x7fffffff, 0x22c);
  bytes.writeUInt32LE(0x200000, 0x230);
  bytes.writeUInt8(1, 0x234);
  bytes.writeUInt16LE(0x63, 0x236);
  bytes.writeUInt32LE(2047, 0x238);
  bytes.writeBigUInt64LE(prefAddress, 0x258);
  bytes.writeUInt32LE(initSize, 0x260);
  return bytes;
}

export interface TestSegment {
  type?: number;
  addr: bigint;
  bytes: Uint8Array;
  memSize?: bigint;
}

/** An x86-64 ELF file with its program headers behind the file header and the segments behind those (elf(5)). */
export function elfImage(segments: readonly TestSegment[], entry: bigint): Buffer {
  const header = Buffer.alloc(64 + 56 * segments.length);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(entry, 24);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(segments.length, 56);
  let offset = header.length;
  for (const [i, { type = 1, addr, bytes, memSize = BigInt(bytes.length) }] of segments.entries()) {
    const at = 64 + 56 * i;
    header.writeUInt32LE(type, at);
    header.writeBigUInt64LE(BigInt(offset), at + 8);
    header.writeBigUInt64LE(BigInt.asUintN(64, addr + 0xffffffff80000000n), at + 16);
    header.writeBigUInt64LE(addr, at + 24);
    header.writeBigUInt64LE(BigInt(bytes.length), at + 32);
    header.writeBigUInt64LE(memSize, at + 40);
    header.writeBigUInt64LE(4n, at + 48);
    offset += bytes.length;
  }
  return Buffer.concat([header, ...segments.map(({ bytes }) => bytes)]);
}

/** A note segment's content. */
export function note(name: string, type: number, desc: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length + 1, 0);
  head.writeUInt32LE(desc.length, 4);
  head.writeUInt32LE(type, 8);
  const padded = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  return Buffer.concat([head, padded(Buffer.from(`${name}\0`)), padded(desc)]);
}

export function pvhNote(entry: number): Buffer {
  const desc = Buffer.alloc(8);
  desc.writeUInt32LE(entry);
  return Buffer.concat([note('GNU', 3, pattern(20)), note('Xen', 18, desc)]);
}
