import type { Section } from '../../eif/codec/header.js';
import { type GuestImage, readGuestImage } from '../../eif/guest-image.js';
import { HEAD_SIZE, recognise } from '../../eif/kernel.js';
import { ImageFile } from '../../eif/read.js';
import { QemuError } from '../../system/errors.js';
import type { GuestMemory } from '../../system/guest-memory.js';
import { acpiTables } from './acpi.js';
import { zeroPage } from './boot-params.js';
import { parseBzImage } from './bzimage.js';
import { commandLine } from './cmdline.js';
import { type CpuState, longModeEntry, pvhEntry } from './cpu-state.js';
import { e820Map } from './e820.js';
import { parseElf } from './elf.js';
import { type Initrd, loadRamdisks, placeInitrd } from './initrd.js';
import { type ByteSource, checkPlacement, invalidKernel, type KernelImage, loadSegments } from './kernel-image.js';
import { layout, virtioSlot } from './memory-layout.js';
import { MP_MAX_CPUS, mpTable } from './mptable.js';
import { pvhStartInfo } from './pvh.js';

export interface GuestOptions {
  /** Path of an EIF, a bzImage or an ELF kernel. */
  readonly kernel: string;
  /** Path of a ramdisk; an EIF's own come before it. */
  readonly initrd?: string | undefined;
  readonly append: string;
  readonly memory: GuestMemory;
  readonly cpus: number;
  /** ACPI tables instead of an MP table and `virtio_mmio.device=` on the command line. */
  readonly acpi: boolean;
  /** Indices of the transports that have a device, in any order. */
  readonly virtioSlots: readonly number[];
  /** Port of a panic device, for the ACPI tables. */
  readonly panicPort?: number | undefined;
  /** Called with one line for each finding that does not stop the start. */
  readonly warn: (text: string) => void;
}

/** Something that was put into guest RAM. */
export interface Placed {
  readonly what: string;
  /** Guest-physical address. */
  readonly addr: number;
  /** Bytes. */
  readonly size: number;
}

export interface LoadedGuest {
  readonly state: CpuState;
  readonly format: KernelImage['format'];
  readonly protocol: KernelImage['protocol'];
  /** All that was put into RAM, in no order. */
  readonly placed: readonly Placed[];
  /** The kernel's command line, without its NUL. */
  readonly cmdline: Uint8Array;
  /** Of the EIF that the guest came from. */
  readonly eif?: { readonly size: number; readonly crc32: number; readonly sections: readonly Section[] };
}

/**
 * Puts a guest into RAM so that its boot CPU can start in the state returned: kernel, ramdisks, command line and the
 * tables that it looks for. All is checked before the first byte is written, but the reading itself. To be called
 * again at every reset, when the guest may have overwritten anything.
 *
 * @throws QemuError naming file, field and value
 */
export async function loadGuest(options: GuestOptions): Promise<LoadedGuest> {
  const { memory, kernel: path, initrd: initrdPath, warn } = options;
  const files: ImageFile[] = [];
  const open = async (name: string, sentence: string) => {
    const file = await ImageFile.open(name, sentence);
    files.push(file);
    return file;
  };
  try {
    const file = await open(path, `could not load kernel '${path}'`);
    const head = await file.bytes(0, HEAD_SIZE);
    const room = memory.ranges.reduce((sum, { size }) => sum + size, 0);
    const eif = recognise(head) === 'eif' ? await readGuestImage(file, head, room, warn) : undefined;
    const ramdisks: ByteSource[] = [...(eif?.ramdisks ?? [])];
    if (initrdPath !== undefined) ramdisks.push(await open(initrdPath, `Failed to read initrd '${initrdPath}'`));

    const kernel = eif?.kernel ?? file;
    const image = await parseKernel(kernel, path);
    checkPlacement(image, memory);
    const size = ramdisks.reduce((sum, ramdisk) => sum + ramdisk.size, 0);
    const initrd = placeInitrd(size, image, memory);
    const boot = writeBootData(options, image, initrd, eif);
    await loadSegments(image, kernel, memory);
    await loadRamdisks(ramdisks, initrd.addr, memory);
    for (const opened of files) await opened.checkUnchanged();

    const segments = image.segments.map(({ addr, memSize }) => ({ what: 'kernel', addr, size: memSize }));
    return {
      ...boot,
      format: image.format,
      protocol: image.protocol,
      placed: [...boot.placed, ...segments, ...(size > 0 ? [{ what: 'initrd', ...initrd }] : [])],
      ...(eif === undefined ? {} : { eif: { size: file.size, crc32: eif.crc32, sections: eif.sections } }),
    };
  } finally {
    for (const file of files) await file.close();
  }
}

async function parseKernel(kernel: ByteSource, path: string): Promise<KernelImage> {
  const format = recognise(await kernel.bytes(0, HEAD_SIZE));
  try {
    if (format === 'bzImage') return await parseBzImage(kernel);
    if (format === 'elf') return await parseElf(kernel);
    throw invalidKernel("neither a bzImage ('HdrS' at offset 0x202) nor an ELF file ('\\x7fELF' at offset 0)");
  } catch (error) {
    throw error instanceof QemuError ? error.prefixed(`could not load kernel '${path}': `) : error;
  }
}

/** Writes all but kernel and ramdisk. */
function writeBootData(
  { memory, append, cpus, acpi, virtioSlots, panicPort }: GuestOptions,
  image: KernelImage,
  initrd: Initrd,
  eif: GuestImage | undefined,
): Pick<LoadedGuest, 'state' | 'placed' | 'cmdline'> {
  if (!acpi && cpus > MP_MAX_CPUS) {
    throw new QemuError(`${cpus} CPUs need ACPI: an MP table holds ${MP_MAX_CPUS}`, {
      hint: 'add acpi=on to -machine',
    });
  }
  const slots = virtioSlots.map((index) => virtioSlot(index, acpi)).sort((a, b) => b.index - a.index);
  const cmdline = commandLine({
    image: eif?.cmdline,
    append,
    transports: acpi ? [] : slots,
    limit: image.cmdlineSize,
  });
  const placed: Placed[] = [];
  const put = (what: string, addr: number, bytes: Uint8Array) => {
    memory.write(addr, bytes);
    placed.push({ what, addr, size: bytes.length });
  };
  put('command line', layout.cmdline, cmdline);
  if (acpi) put('ACPI tables', layout.acpi, acpiTables(cpus, slots, panicPort));
  else put('MP table', layout.mpTable, mpTable(cpus));

  const info = { cmdline: layout.cmdline, initrd, e820: e820Map(memory), rsdp: acpi ? layout.acpi : 0 };
  const pvh = image.protocol === 'pvh';
  if (pvh) put('PVH start info', layout.pvhInfo, pvhStartInfo(info));
  else put('zero page', layout.zeroPage, zeroPage({ ...info, setupHeader: image.setupHeader }));
  const state = pvh ? pvhEntry(memory, image.entry) : longModeEntry(memory, image.entry);
  placed.push({ what: 'GDT', addr: state.gdt.base, size: state.gdt.limit + 1 });
  if (!pvh) placed.push({ what: 'page tables', addr: layout.pml4, size: 3 * 4096 });
  return { state, placed, cmdline: cmdline.subarray(0, -1) };
}
