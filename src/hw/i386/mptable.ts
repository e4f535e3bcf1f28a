import { ByteWriter, setChecksum } from './byte-writer.js';
import { IOAPIC, IOAPIC_PINS, LOCAL_APIC, layout } from './memory-layout.js';

/** APIC ids of 8 bits, of which 0xff means all. */
export const MP_MAX_CPUS = 255;

const FLOATING_POINTER_SIZE = 16;
const HEADER_SIZE = 44;
const SPEC_1_4 = 4;
const APIC_VERSION = 0x14;
const ISA_BUS = 0;
/** As the IOAPIC's own register after reset and in QEMU's tables; 64-bit Linux does not mind that CPU 0 has it too. */
const IOAPIC_ID = 0;
const ALL_APICS = 0xff;

const entryTypes = { cpu: 0, bus: 1, ioapic: 2, interrupt: 3, localInterrupt: 4 };
const interruptTypes = { vectored: 0, nmi: 1, extInt: 3 };

/**
 * The MP floating pointer and configuration table, to lie at `layout.mpTable`, which the guest's search covers
 * (MultiProcessor Specification 1.4, chapter 4; spec virtio.md, section 6). ISA interrupts and IOAPIC pins are the same.
 *
 * @param cpus 1 to 255
 */
export function mpTable(cpus: number): Uint8Array {
  if (cpus < 1 || cpus > MP_MAX_CPUS) throw new RangeError(`an MP table holds 1 to ${MP_MAX_CPUS} CPUs, not ${cpus}`);
  const pointer = new ByteWriter()
    .text('_MP_')
    .u32(layout.mpTable + FLOATING_POINTER_SIZE)
    .u8(FLOATING_POINTER_SIZE / 16, SPEC_1_4)
    .zeros(6)
    .bytes();
  setChecksum(pointer, 10);

  const entries = new ByteWriter();
  for (let id = 0; id < cpus; id++) {
    const flags = id === 0 ? 3 : 1;
    entries.u8(entryTypes.cpu, id, APIC_VERSION, flags).zeros(16);
  }
  entries.u8(entryTypes.bus, ISA_BUS).text('ISA', 6);
  entries.u8(entryTypes.ioapic, IOAPIC_ID, APIC_VERSION, 1).u32(IOAPIC);
  for (let pin = 0; pin < IOAPIC_PINS; pin++) {
    interrupt(entries, entryTypes.interrupt, interruptTypes.vectored, pin, IOAPIC_ID, pin);
  }
  interrupt(entries, entryTypes.localInterrupt, interruptTypes.extInt, 0, 0, 0);
  interrupt(entries, entryTypes.localInterrupt, interruptTypes.nmi, 0, ALL_APICS, 1);

  const table = new ByteWriter()
    .text('PCMP')
    .u16(HEADER_SIZE + entries.length)
    .u8(SPEC_1_4, 0)
    .text('NITROEMU', 8)
    .text('ENCLAVE', 12)
    .zeros(6)
    .u16(cpus + 1 + 1 + IOAPIC_PINS + 2)
    .u32(LOCAL_APIC)
    .zeros(4)
    .append(entries.bytes())
    .bytes();
  setChecksum(table, 7);
  return new ByteWriter().append(pointer).append(table).bytes();
}

/** An entry with polarity and trigger as the bus has them: ISA's are edges, active high. */
function interrupt(writer: ByteWriter, entry: number, type: number, irq: number, apic: number, pin: number): void {
  writer.u8(entry, type).u16(0).u8(ISA_BUS, irq, apic, pin);
}
