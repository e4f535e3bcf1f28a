import { ByteWriter } from './byte-writer.js';
import { type E820Entry, e820Types } from './e820.js';
import { layout } from './memory-layout.js';

const START_MAGIC = 0x336ec578;
/** The first version with a memory map. */
const VERSION_1 = 1;
const START_INFO_SIZE = 56;
const MODULE_SIZE = 32;

export interface StartInfo {
  /** Guest-physical address of the NUL-terminated command line. */
  readonly cmdline: number;
  /** Size 0 for none. */
  readonly initrd: { readonly addr: number; readonly size: number };
  readonly e820: readonly E820Entry[];
  /** Guest-physical address of the ACPI root pointer, 0 for none. */
  readonly rsdp: number;
}

/** hvm_start_info with its module list and memory map behind it, to lie at `layout.pvhInfo` (Xen public/arch-x86/hvm/start_info.h). */
export function pvhStartInfo({ cmdline, initrd, e820, rsdp }: StartInfo): Uint8Array {
  const modules = layout.pvhInfo + START_INFO_SIZE;
  const writer = new ByteWriter()
    .u32(START_MAGIC)
    .u32(VERSION_1)
    .u32(0)
    .u32(initrd.size === 0 ? 0 : 1)
    .u64(initrd.size === 0 ? 0 : modules)
    .u64(cmdline)
    .u64(rsdp)
    .u64(modules + MODULE_SIZE)
    .u32(e820.length)
    .u32(0);
  writer.u64(initrd.addr).u64(initrd.size).u64(0).u64(0);
  for (const { addr, size, type } of e820) writer.u64(addr).u64(size).u32(e820Types[type]).u32(0);
  return writer.bytes();
}
