import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acpiTables } from '../../../src/hw/i386/acpi.js';
import { virtioSlot } from '../../../src/hw/i386/memory-layout.js';

const test = suite('ACPI tables');
const BASE = 0xe0000;
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) % 256, 0);

/** Follows the pointers from the RSDP as an operating system does. Every table has its checksum. */
function tables(cpus: number): Record<'DSDT' | 'FACP' | 'APIC', Buffer> {
  const all = Buffer.from(acpiTables(cpus, [virtioSlot(7, true)]));
  assert.is(all.toString('latin1', 0, 8), 'RSD PTR ');
  assert.is(all[15], 2);
  assert.is(all.readUInt32LE(20), 36);
  assert.is(sum(all.subarray(0, 20)), 0);
  assert.is(sum(all.subarray(0, 36)), 0);
  const at = (addr: bigint | number, signature: string) => {
    const start = Number(addr) - BASE;
    const table = all.subarray(start, start + all.readUInt32LE(start + 4));
    assert.is(table.toString('latin1', 0, 4), signature);
    assert.is(sum(table), 0, signature);
    return table;
  };
  const xsdt = at(all.readBigUInt64LE(24), 'XSDT');
  assert.is(xsdt.length, 36 + 16);
  const facp = at(xsdt.readBigUInt64LE(36), 'FACP');
  assert.is(facp.readBigUInt64LE(140), BigInt(facp.readUInt32LE(40)));
  return { FACP: facp, APIC: at(xsdt.readBigUInt64LE(44), 'APIC'), DSDT: at(facp.readBigUInt64LE(140), 'DSDT') };
}

test('pointers and checksums hold from the RSDP to the DSDT', () => {
  const { FACP, DSDT } = tables(2);
  assert.is(FACP.length, 276);
  assert.is(DSDT[8], 2);
});

test("power-off and reset are the generic event device's registers, where QEMU has them", () => {
  const { FACP } = tables(1);
  const register = (offset: number) => [FACP[offset], FACP[offset + 1], FACP.readBigUInt64LE(offset + 4)];
  assert.is(FACP.readUInt32LE(112), 0x00100400);
  assert.equal(register(116), [0, 8, 0xfea00202n]);
  assert.is(FACP[128], 0x42);
  assert.equal(register(244), [0, 8, 0xfea00200n]);
  assert.equal(register(256), [0, 8, 0xfea00201n]);
});

test('each CPU has an entry, in the x2APIC form from id 255 up', () => {
  const { APIC } = tables(288);
  const ids: number[] = [];
  const others: number[] = [];
  for (let at = 44; at < APIC.length; at += APIC.readUInt8(at + 1)) {
    const type = APIC.readUInt8(at);
    if (type === 0) ids.push(APIC.readUInt8(at + 3));
    else if (type === 9) ids.push(APIC.readUInt32LE(at + 4));
    else others.push(type);
  }
  assert.equal(
    ids,
    Array.from({ length: 288 }, (_, id) => id),
  );
  assert.equal(others, [1, 4]);
});

test.run();
