import * as fc from 'fast-check';
import { QueueFault, Virtqueue } from '../../src/hw/virtio/queue.js';
import { Guest } from './virtio-driver.js';

const SIZE = 4;
const RAM = 8192;
const DESC = 0;
const AVAIL = 256;
const USED = 512;

const near = fc.constantFrom(0, 1, 2, 3, 4, 5, 15, 16, 17, 32, 48, 64, 0xfff, 0xffff, 0xffffffff);
const addr = fc.oneof(
  fc.nat(RAM + 64).map(BigInt),
  fc.constantFrom(BigInt(DESC), BigInt(AVAIL), BigInt(USED), 1n << 52n, (1n << 53n) - 1n, (1n << 64n) - 1n),
  fc.bigInt(0n, (1n << 64n) - 1n),
);
const descriptor = fc.record({
  addr,
  len: fc.oneof(near, fc.nat(RAM)),
  flags: fc.oneof(fc.nat(7), fc.nat(0xffff)),
  next: fc.oneof(fc.nat(SIZE), fc.nat(0xffff)),
});

/** Rings as a guest that means harm writes them: tables in tables, loops, overlaps, any length and address. */
export const hostileRing = fc.record({
  descriptors: fc.array(descriptor, { maxLength: 2 * SIZE }),
  heads: fc.array(fc.oneof(fc.nat(SIZE), fc.nat(0xffff)), { minLength: SIZE, maxLength: SIZE }),
  availIndex: fc.oneof(fc.nat(SIZE + 1), fc.nat(0xffff)),
  indirect: fc.boolean(),
  eventIndex: fc.boolean(),
});

type HostileRing = typeof hostileRing extends fc.Arbitrary<infer T> ? T : never;

const guest = new Guest({ size: RAM });

/** Whether the device's end came through: every buffer inside guest RAM, or a QueueFault; any other error is thrown. */
export function survives({ descriptors, heads, availIndex, indirect, eventIndex }: HostileRing): boolean {
  const table = new DataView(new ArrayBuffer(16 * descriptors.length));
  for (const [i, { addr, len, flags, next }] of descriptors.entries()) {
    table.setBigUint64(16 * i, addr, true);
    table.setUint32(16 * i + 8, len, true);
    table.setUint16(16 * i + 12, flags, true);
    table.setUint16(16 * i + 14, next, true);
  }
  guest.memory.write(DESC, new Uint8Array(table.buffer));
  guest.put16(AVAIL + 2, availIndex);
  for (const [i, head] of heads.entries()) guest.put16(AVAIL + 4 + 2 * i, head);
  const addresses = { size: SIZE, desc: BigInt(DESC), driver: BigInt(AVAIL), device: BigInt(USED) };
  const queue = new Virtqueue(guest.memory, addresses, { indirect, eventIndex });
  try {
    for (let turn = 0; turn < 2 * SIZE; turn++) {
      const chain = queue.pop();
      if (chain === undefined) return true;
      const inside = sum(chain.readable) === chain.readableBytes && sum(chain.writable) === chain.writableBytes;
      if (!inside || chain.readable.length + chain.writable.length > SIZE) return false;
      for (const slice of chain.writable) slice.fill(turn);
      queue.push(chain, chain.writableBytes);
      queue.takeInterrupt();
    }
    return true;
  } catch (error) {
    if (error instanceof QueueFault) return true;
    throw error;
  }
}

function sum(slices: readonly Uint8Array[]): number {
  return slices.reduce((total, slice) => total + slice.length, 0);
}
