import { QemuError } from '../../system/errors.js';
import type { GuestMemory, RamRange } from '../../system/guest-memory.js';
import type { GuestRam } from '../../system/guest-ram.js';

/**
 * Where things lie in guest-physical memory. RAM, transports and interrupt numbers are QEMU's (hw/i386/microvm.c,
 * hw/i386/microvm.h); what the loader writes below 1 MiB is spec virtio.md, section 7.
 */
export const layout = {
  gdt: 0x500,
  /** hvm_start_info, its module and its memory map: up to the zero page. */
  pvhInfo: 0x6000,
  zeroPage: 0x7000,
  /** Initial stack pointer. */
  stack: 0x8ff0,
  pml4: 0x9000,
  pdpt: 0xa000,
  pageDirectory: 0xb000,
  cmdline: 0x20000,
  /** Extended BIOS data area: the end of usable memory below 1 MiB. */
  ebda: 0x9fc00,
  acpi: 0xe0000,
  mpTable: 0xf0000,
  /** The first address that a kernel may take. */
  kernel: 0x100000,
} as const;

/** Where RAM makes room for devices; the rest of it continues at `HIGH_RAM`. */
export const LOW_RAM_LIMIT = 0xc0000000;
export const HIGH_RAM = 0x100000000;
/** The initial page tables map the first GiB onto itself. */
export const IDENTITY_MAPPED = 0x40000000;

export const LOCAL_APIC = 0xfee00000;
export const IOAPIC = 0xfec00000;
export const IOAPIC_PINS = 24;
export const SERIAL_PORT = 0x3f8;
export const SERIAL_IRQ = 4;
export const RTC_PORT = 0x70;
export const RTC_IRQ = 8;

/** The virtio-mmio transports; a device takes the highest one that is free. */
export const VIRTIO_TRANSPORTS = 8;
const VIRTIO_MMIO_BASE = 0xfeb00000;
export const VIRTIO_MMIO_SIZE = 512;
/** The interrupts of transport 0: ISA's without ACPI, the rest of the IOAPIC's with it. */
const VIRTIO_IRQ_BASE = { isa: 5, acpi: 16 };

/** The generic event device of acpi=on: 4 bytes that tell the event, and sleep and reset registers (hw/acpi/generic_event_device.c). */
export const ged = {
  selector: 0xfea00000,
  irq: 9,
  /** Bit of the selector for a pressed power button. */
  powerDown: 2,
  sleepControl: 0xfea00200,
  sleepStatus: 0xfea00201,
  reset: 0xfea00202,
  resetValue: 0x42,
  /** SLP_TYP of the S5 state: sleep control is written (sleepTypeS5 << 2) | 0x20. */
  sleepTypeS5: 5,
} as const;

export interface VirtioSlot {
  readonly index: number;
  /** Guest-physical address. */
  readonly base: number;
  readonly irq: number;
}

/** The transport of an index from 0 to 7. */
export function virtioSlot(index: number, acpi: boolean): VirtioSlot {
  return {
    index,
    base: VIRTIO_MMIO_BASE + index * VIRTIO_MMIO_SIZE,
    irq: (acpi ? VIRTIO_IRQ_BASE.acpi : VIRTIO_IRQ_BASE.isa) + index,
  };
}

/** Guest RAM laid out as QEMU's microvm does: the first 3 GiB from 0, the rest from 4 GiB. */
export function ramRanges(ram: GuestRam): RamRange[] {
  const low = Math.min(ram.size, LOW_RAM_LIMIT);
  const ranges = [{ base: 0, ram, offset: 0, size: low }];
  if (ram.size > low) ranges.push({ base: HIGH_RAM, ram, offset: low, size: ram.size - low });
  return ranges;
}

/** First address above the RAM that begins at 0. @throws QemuError when not even the first MiB is RAM */
export function lowRamEnd(memory: GuestMemory): number {
  const [first] = memory.ranges;
  const end = first === undefined || first.base !== 0 ? 0 : first.size;
  if (end <= layout.kernel) {
    throw new QemuError('guest RAM is too small', {
      hint: `it ends at ${end} bytes, below the 1 MiB mark; increase -m`,
    });
  }
  return end;
}
