import { setup } from './bzimage.js';
import { type E820Entry, encodeE820 } from './e820.js';

const ZERO_PAGE_SIZE = 4096;
/** Fields of the zero page outside of the setup header (Linux asm/bootparam.h, struct boot_params). */
const fields = {
  acpiRsdpAddr: 0x70,
  extRamdiskImage: 0xc0,
  extRamdiskSize: 0xc4,
  extCmdLinePtr: 0xc8,
  e820Entries: 0x1e8,
  sentinel: 0x1ef,
  e820Table: 0x2d0,
};
const E820_MAX = 128;
/** A loader without a number of its own. */
const LOADER_UNDEFINED = 0xff;

export interface BootParams {
  /** From offset 0x1f1. */
  readonly setupHeader: Uint8Array;
  /** Guest-physical address of the NUL-terminated command line. */
  readonly cmdline: number;
  /** Bytes at a guest-physical address; size 0 for none. */
  readonly initrd: { readonly addr: number; readonly size: number };
  readonly e820: readonly E820Entry[];
  /** Guest-physical address of the ACPI root pointer, 0 for none. */
  readonly rsdp: number;
}

/** The zero page, 4096 bytes (Linux Documentation/arch/x86/zero-page.rst). */
export function zeroPage({ setupHeader, cmdline, initrd, e820, rsdp }: BootParams): Uint8Array {
  if (e820.length > E820_MAX) throw new RangeError(`a zero page holds ${E820_MAX} e820 entries, not ${e820.length}`);
  const page = new Uint8Array(ZERO_PAGE_SIZE);
  const view = new DataView(page.buffer);
  page.set(setupHeader, setup.header);
  const split = (low: number, high: number, value: number) => {
    view.setUint32(low, value % 2 ** 32, true);
    view.setUint32(high, Math.floor(value / 2 ** 32), true);
  };
  view.setUint8(setup.typeOfLoader, LOADER_UNDEFINED);
  split(setup.cmdLinePtr, fields.extCmdLinePtr, cmdline);
  split(setup.ramdiskImage, fields.extRamdiskImage, initrd.addr);
  split(setup.ramdiskSize, fields.extRamdiskSize, initrd.size);
  view.setBigUint64(setup.setupData, 0n, true);
  view.setBigUint64(fields.acpiRsdpAddr, BigInt(rsdp), true);
  view.setUint8(fields.sentinel, 0);
  view.setUint8(fields.e820Entries, e820.length);
  page.set(encodeE820(e820), fields.e820Table);
  return page;
}
