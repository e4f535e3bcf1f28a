import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mpTable } from '../../../src/hw/i386/mptable.js';

const test = suite('MP table');
const BASE = 0xf0000;
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) % 256, 0);
const entrySizes = [20, 8, 8, 8, 8];

/** Reads the table as Linux's arch/x86/kernel/mpparse.c does. */
function parse(bytes: Buffer) {
  assert.is(bytes.toString('latin1', 0, 4), '_MP_');
  assert.is(sum(bytes.subarray(0, 16)), 0);
  assert.equal([bytes[8], bytes[9]], [1, 4]);
  const table = bytes.subarray(bytes.readUInt32LE(4) - BASE);
  assert.is(table.toString('latin1', 0, 4), 'PCMP');
  assert.is(table.readUInt16LE(4), table.length);
  assert.is(table[6], 4);
  assert.is(sum(table), 0);
  assert.is(table.readUInt32LE(36), 0xfee00000);
  const entries: Buffer[] = [];
  for (let at = 44; at < table.length; ) {
    const size = entrySizes[table[at] ?? -1] ?? Number.NaN;
    entries.push(table.subarray(at, at + size));
    at += size;
  }
  assert.is(table.readUInt16LE(34), entries.length);
  return (type: number) => entries.filter((entry) => entry[0] === type);
}

test('there is an enabled CPU for each APIC id, the first of which boots', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), (cpus) => {
      const entries = parse(Buffer.from(mpTable(cpus)))(0);
      assert.equal(
        entries.map((entry) => entry[1]),
        Array.from({ length: cpus }, (_, id) => id),
      );
      assert.ok(entries.every((entry, id) => entry[2] === 0x14 && entry[3] === (id === 0 ? 3 : 1)));
    }),
    { numRuns: 30 },
  );
});

test('one IOAPIC takes the ISA interrupts on pins of the same number', () => {
  const entries = parse(Buffer.from(mpTable(2)));
  assert.equal(
    entries(1).map((entry) => entry.toString('latin1', 2)),
    ['ISA   '],
  );
  const [ioapic] = entries(2);
  assert.is(ioapic?.readUInt32LE(4), 0xfec00000);
  assert.is(ioapic?.[3], 1);
  assert.equal(
    entries(3).map((entry) => [...entry]),
    Array.from({ length: 24 }, (_, pin) => [3, 0, 0, 0, 0, pin, ioapic?.[1], pin]),
  );
});

test('LINT0 of the boot CPU is ExtINT and LINT1 of all is NMI', () => {
  assert.equal(
    parse(Buffer.from(mpTable(1)))(4).map((entry) => [entry[1], entry[6], entry[7]]),
    [
      [3, 0, 0],
      [1, 0xff, 1],
    ],
  );
});

test('the table fits between its address and 1 MiB, and 256 CPUs do not fit into it', () => {
  assert.ok(mpTable(255).length < 0x10000);
  assert.throws(() => mpTable(256), RangeError);
});

test.run();
