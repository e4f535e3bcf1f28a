import { BOOT_FLAG, HEADER_MAGIC, setup } from './bzimage.js';
import { type ByteSource, hex, invalidKernel, type KernelImage, type LoadSegment } from './kernel-image.js';

const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
/** Linux has 4 or 5. */
const MAX_PROGRAM_HEADERS = 128;
/** Bytes of a note segment that are searched; Linux has under 1000. */
const NOTE_LIMIT = 64 * 1024;
const LITTLE_ENDIAN_64 = 0x0102;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** The note of a 32-bit PVH entry (Xen public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY). */
const PVH_NOTE = { name: 'Xen\0', type: 18 };
/** The ramdisk limit of Linux's setup header, which an ELF file does not carry. */
const INITRD_LIMIT = 0x80000000;
/** COMMAND_LINE_SIZE of x86 Linux is 2048 with the NUL. */
export const LINUX_CMDLINE_SIZE = 2047;

interface ProgramHeader {
  type: number;
  offset: number;
  addr: number;
  fileSize: number;
  memSize: number;
  align: number;
}

/**
 * Understands an uncompressed x86-64 kernel. One with a PVH note starts there, any other at its entry point with the
 * zero page of the 64-bit boot protocol (spec virtio.md, section 7).
 *
 * @throws QemuError `invalid kernel header` naming the field and its value
 */
export async function parseElf(file: ByteSource): Promise<KernelImage> {
  const head = await file.bytes(0, HEADER_SIZE);
  if (head.length < HEADER_SIZE) throw invalidKernel(`an ELF header has ${HEADER_SIZE} bytes, the file ${head.length}`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const kind = view.getUint16(4, true);
  if (view.getUint32(0) !== 0x7f454c46 || kind !== LITTLE_ENDIAN_64) {
    throw invalidKernel(`e_ident is not that of a little-endian 64-bit ELF file (class and data are ${hex(kind)})`);
  }
  const machine = view.getUint16(18, true);
  if (machine !== EM_X86_64) throw invalidKernel(`e_machine is ${machine}, not ${EM_X86_64} (x86-64)`);

  const headers = await programHeaders(file, view);
  const segments = headers.filter(({ type, memSize }) => type === PT_LOAD && memSize > 0).map(loadSegment);
  if (segments.length === 0) throw invalidKernel('no PT_LOAD segment has any memory');
  const pvh = await pvhEntryPoint(file, headers);
  return {
    format: 'elf',
    protocol: pvh === undefined ? 'linux64' : 'pvh',
    segments,
    entry: pvh ?? integer('e_entry', view.getBigUint64(24, true)),
    end: Math.max(...segments.map(({ addr, memSize }) => addr + memSize)),
    initrdLimit: INITRD_LIMIT,
    cmdlineSize: LINUX_CMDLINE_SIZE,
    setupHeader: plainSetupHeader(),
  };
}

async function programHeaders(file: ByteSource, view: DataView): Promise<ProgramHeader[]> {
  const start = integer('e_phoff', view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (size !== PROGRAM_HEADER_SIZE) throw invalidKernel(`e_phentsize is ${size}, not ${PROGRAM_HEADER_SIZE}`);
  if (count > MAX_PROGRAM_HEADERS) throw invalidKernel(`e_phnum is ${count}, at most ${MAX_PROGRAM_HEADERS} are read`);
  const bytes = await file.bytes(start, count * size);
  if (bytes.length < count * size)
    throw invalidKernel(`the program headers at e_phoff ${hex(start)} end beyond the file`);
  const table = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => programHeader(table, i, file.size));
}

function programHeader(table: DataView, index: number, fileEnd: number): ProgramHeader {
  const at = index * PROGRAM_HEADER_SIZE;
  const field = (name: string, offset: number) =>
    integer(`${name} of program header ${index}`, table.getBigUint64(at + offset, true));
  const type = table.getUint32(at, true);
  if (type !== PT_LOAD && type !== PT_NOTE) return { type, offset: 0, addr: 0, fileSize: 0, memSize: 0, align: 0 };
  const header = {
    type,
    offset: field('p_offset', 8),
    addr: field('p_paddr', 24),
    fileSize: field('p_filesz', 32),
    memSize: field('p_memsz', 40),
    align: field('p_align', 48),
  };
  const where = `program header ${index}`;
  if (header.offset + header.fileSize > fileEnd) {
    const range = `p_offset ${hex(header.offset)} + p_filesz ${hex(header.fileSize)}`;
    throw invalidKernel(`${where}: ${range} is beyond the file of ${fileEnd} bytes`);
  }
  if (type === PT_LOAD && header.fileSize > header.memSize) {
    throw invalidKernel(`${where}: p_filesz ${hex(header.fileSize)} is more than p_memsz ${hex(header.memSize)}`);
  }
  return header;
}

const loadSegment = ({ offset, addr, fileSize, memSize }: ProgramHeader): LoadSegment => ({
  offset,
  addr,
  fileSize,
  memSize,
});

/** Physical address of the PVH entry, if a note has one. */
async function pvhEntryPoint(file: ByteSource, headers: readonly ProgramHeader[]): Promise<number | undefined> {
  for (const { type, offset, fileSize, align } of headers) {
    if (type !== PT_NOTE) continue;
    const notes = await file.bytes(offset, Math.min(fileSize, NOTE_LIMIT));
    const view = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
    const padded = (size: number) => (align === 8 ? Math.ceil(size / 8) * 8 : Math.ceil(size / 4) * 4);
    for (let at = 0; at + 12 <= notes.length; ) {
      const nameSize = view.getUint32(at, true);
      const descSize = view.getUint32(at + 4, true);
      const desc = at + padded(12 + nameSize);
      const name = Buffer.from(notes.subarray(at + 12, at + 12 + nameSize)).toString('latin1');
      if (name === PVH_NOTE.name && view.getUint32(at + 8, true) === PVH_NOTE.type) {
        if (descSize < 4 || desc + 4 > notes.length) {
          throw invalidKernel(
            `the PVH note at ${hex(offset + at)} has an entry of ${descSize} bytes, cut off or too short`,
          );
        }
        return view.getUint32(desc, true);
      }
      at = desc + padded(descSize);
    }
  }
  return undefined;
}

/** What a zero page must say of itself where no file brings a setup header. */
function plainSetupHeader(): Uint8Array {
  const header = new Uint8Array(setup.initSize + 4 - setup.header);
  const view = new DataView(header.buffer);
  view.setUint16(setup.bootFlag - setup.header, BOOT_FLAG, true);
  view.setUint32(setup.magic - setup.header, HEADER_MAGIC, true);
  view.setUint16(setup.version - setup.header, 0x20c, true);
  view.setUint32(setup.cmdlineSize - setup.header, LINUX_CMDLINE_SIZE, true);
  return header;
}

function integer(name: string, value: bigint): number {
  // Half of what a number holds, so that sums of two stay exact.
  if (value >= 2n ** 52n) throw invalidKernel(`${name} is ${hex(value)}, beyond any file or RAM`);
  return Number(value);
}
