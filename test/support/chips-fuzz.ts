import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { chipsBoard } from './chips-board.js';

/**
 * Random accesses to all registers of interrupt chips and timers, lines and time between them.
 *
 * @throws AssertionError when an interrupt is not the one that was announced, or a deadline lies in the past
 */
export function chipsSurvive(numRuns: number): void {
  const port = fc.constantFrom(0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61);
  const offset = fc.nat({ max: 0x3f }).map((index) => index * 0x10);
  const access = fc.record({
    kind: fc.constantFrom('port', 'apic', 'ioapic', 'lines', 'time', 'take'),
    cpu: fc.nat({ max: 2 }),
    port,
    offset,
    register: fc.nat({ max: 0x42 }),
    size: fc.constantFrom(1, 2, 4, 8),
    value: fc.oneof(fc.nat({ max: 0xff }), fc.integer({ min: 0, max: 0xffffffff })),
  });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 80 }), (accesses) => {
      const { chips, ports, mmio, at } = chipsBoard(3);
      let now = 0;
      for (const { kind, cpu, port, offset, register, size, value } of accesses) {
        const data = new Uint8Array(8);
        new DataView(data.buffer).setUint32(0, value, true);
        const bytes = data.subarray(0, size);
        if (kind === 'lines') chips.applyLines(value & 0xffffff, value >>> 8);
        if (kind === 'time') now += value;
        for (const bus of kind === 'port' ? [ports] : []) {
          bus.write(port, bytes);
          bus.read(port, bytes);
        }
        if (kind === 'apic') {
          chips.apic(cpu).write(offset, bytes);
          chips.apic(cpu).read(offset, bytes);
        }
        if (kind === 'ioapic') {
          mmio.write(0xfec00000, Uint8Array.of(register));
          mmio.write(0xfec00010, bytes);
          mmio.read(0xfec00010, bytes);
        }
        at(now);
        assert.ok(chips.nextDeadline() > now, 'a deadline has passed');
        const vector = chips.pendingVector(cpu);
        if (kind === 'take' && vector !== undefined) assert.is(chips.acknowledge(cpu), vector);
      }
    }),
    { numRuns },
  );
}
