import { ByteWriter, setChecksum } from './byte-writer.js';
import { dsdtTerms } from './dsdt.js';
import { ged, IOAPIC, LOCAL_APIC, layout, type VirtioSlot } from './memory-layout.js';

const RSDP_SIZE = 36;
const HEADER_SIZE = 36;
/** Tables begin on such a border. */
const ALIGNMENT = 16;
const SPACE_MEMORY = 0;
const FADT_SIZE = 276;
const RESET_REG_SUPPORTED = 1 << 10;
const HARDWARE_REDUCED = 1 << 20;
const PCAT_COMPAT = 1;
/** APIC ids from here up take the x2APIC form. */
const XAPIC_IDS = 255;
const ENABLED = 1;
const NMI_LINT = 1;

/**
 * RSDP, XSDT, FADT, MADT and DSDT one behind the other, to lie at `layout.acpi` with the RSDP first (ACPI specification
 * 6.4, chapter 5). Hardware-reduced as QEMU's microvm: power-off and reset are registers of the generic event device,
 * the power button is its interrupt.
 *
 * @param slots the transports that have a device
 * @param panicPort of the panic device, if there is one
 */
export function acpiTables(cpus: number, slots: readonly VirtioSlot[], panicPort?: number): Uint8Array {
  const writer = new ByteWriter().zeros(RSDP_SIZE);
  const add = (bytes: Uint8Array): number => {
    writer.zeros((ALIGNMENT - (writer.length % ALIGNMENT)) % ALIGNMENT);
    const addr = layout.acpi + writer.length;
    writer.append(bytes);
    return addr;
  };
  const dsdt = add(table('DSDT', 2, Uint8Array.from(dsdtTerms(slots, panicPort))));
  const entries = [add(fadt(dsdt)), add(madt(cpus))];
  const xsdt = add(table('XSDT', 1, entries.reduce((body, addr) => body.u64(addr), new ByteWriter()).bytes()));
  const bytes = writer.bytes();
  bytes.set(rsdp(xsdt));
  return bytes;
}

/** A table with its header (section 5.2.6). */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new ByteWriter()
    .text(signature)
    .u32(HEADER_SIZE + body.length)
    .u8(revision, 0)
    .text('NITRO', 6)
    .text('NITROEMU')
    .u32(1)
    .text('NEMU')
    .u32(1)
    .append(body)
    .bytes();
  setChecksum(bytes, 9);
  return bytes;
}

/** Section 5.2.5.3. */
function rsdp(xsdt: number): Uint8Array {
  const bytes = new ByteWriter()
    .text('RSD PTR ')
    .u8(0)
    .text('NITRO', 6)
    .u8(2)
    .u32(0)
    .u32(RSDP_SIZE)
    .u64(xsdt)
    .zeros(4)
    .bytes();
  setChecksum(bytes.subarray(0, 20), 8);
  setChecksum(bytes, 32);
  return bytes;
}

/** The fixed description table, revision 6 (section 5.2.9); all that a hardware-reduced machine lacks is 0. */
function fadt(dsdt: number): Uint8Array {
  const body = new Uint8Array(FADT_SIZE - HEADER_SIZE);
  const view = new DataView(body.buffer);
  const at = (offset: number) => offset - HEADER_SIZE;
  const register = (offset: number, addr: number) => {
    view.setUint8(at(offset), SPACE_MEMORY);
    view.setUint8(at(offset) + 1, 8);
    view.setBigUint64(at(offset) + 4, BigInt(addr), true);
  };
  view.setUint32(at(40), dsdt, true);
  view.setUint32(at(112), RESET_REG_SUPPORTED | HARDWARE_REDUCED, true);
  register(116, ged.reset);
  view.setUint8(at(128), ged.resetValue);
  view.setBigUint64(at(140), BigInt(dsdt), true);
  register(244, ged.sleepControl);
  register(256, ged.sleepStatus);
  return table('FACP', 6, body);
}

/** CPUs and the IOAPIC (section 5.2.12); interrupts and pins are the same, so nothing is overridden. */
function madt(cpus: number): Uint8Array {
  const body = new ByteWriter().u32(LOCAL_APIC).u32(PCAT_COMPAT);
  for (let id = 0; id < cpus; id++) {
    if (id < XAPIC_IDS) body.u8(0, 8, id, id).u32(ENABLED);
    else body.u8(9, 16, 0, 0).u32(id).u32(ENABLED).u32(id);
  }
  body.u8(1, 12, 0, 0).u32(IOAPIC).u32(0);
  body.u8(4, 6, 0xff).u16(0).u8(NMI_LINT);
  return table('APIC', 4, body.bytes());
}
