import { type ByteSource, hex, invalidKernel, type KernelImage } from './kernel-image.js';
import { layout } from './memory-layout.js';

/** Offsets in the file, and in the zero page too (Linux Documentation/arch/x86/boot.rst). */
export const setup = {
  header: 0x1f1,
  setupSects: 0x1f1,
  bootFlag: 0x1fe,
  jumpLength: 0x201,
  jumpEnd: 0x202,
  magic: 0x202,
  version: 0x206,
  typeOfLoader: 0x210,
  loadflags: 0x211,
  ramdiskImage: 0x218,
  ramdiskSize: 0x21c,
  cmdLinePtr: 0x228,
  initrdAddrMax: 0x22c,
  kernelAlignment: 0x230,
  relocatable: 0x234,
  xloadflags: 0x236,
  cmdlineSize: 0x238,
  setupData: 0x250,
  prefAddress: 0x258,
  initSize: 0x260,
  /** The zero page has no room for a longer one. */
  headerLimit: 0x290,
} as const;

/** Bytes of the file that `parseBzImage` looks at. */
const HEAD_SIZE = 0x400;
export const BOOT_FLAG = 0xaa55;
/** 'HdrS' */
export const HEADER_MAGIC = 0x53726448;
/** The first with xloadflags. */
const VERSION_2_12 = 0x20c;
const LOADED_HIGH = 0x1;
const XLF_KERNEL_64 = 0x1;
const SECTOR = 512;
const DEFAULT_SETUP_SECTS = 4;
/** The 64-bit entry, from the start of the protected-mode part. */
const ENTRY_64 = 0x200;

/**
 * Understands an x86 bzImage (spec virtio.md, section 7): its protected-mode part goes to 1 MiB and unpacks itself to
 * its preferred address.
 *
 * @throws QemuError `invalid kernel header` naming the field and its value
 */
export async function parseBzImage(file: ByteSource): Promise<KernelImage> {
  const head = await file.bytes(0, HEAD_SIZE);
  if (head.length < HEAD_SIZE) throw invalidKernel(`the file has ${head.length} bytes`);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const field = (name: string, offset: number, value: number | bigint, need: string) =>
    invalidKernel(`${name} at offset ${hex(offset)} is ${hex(value)}, ${need}`);

  const bootFlag = view.getUint16(setup.bootFlag, true);
  if (bootFlag !== BOOT_FLAG) throw field('boot_flag', setup.bootFlag, bootFlag, 'not 0xaa55');
  const magic = view.getUint32(setup.magic, true);
  if (magic !== HEADER_MAGIC) throw field('header', setup.magic, magic, "not 'HdrS'");
  const version = view.getUint16(setup.version, true);
  if (version < VERSION_2_12) throw field('version', setup.version, version, 'boot protocol 2.12 or newer is needed');
  const loadflags = view.getUint8(setup.loadflags);
  if ((loadflags & LOADED_HIGH) === 0)
    throw field('loadflags', setup.loadflags, loadflags, 'bit 0 (LOADED_HIGH) is needed');
  const xloadflags = view.getUint16(setup.xloadflags, true);
  if ((xloadflags & XLF_KERNEL_64) === 0) {
    throw field('xloadflags', setup.xloadflags, xloadflags, 'bit 0 (XLF_KERNEL_64, a 64-bit entry) is needed');
  }
  const headerEnd = setup.jumpEnd + view.getUint8(setup.jumpLength);
  if (headerEnd < setup.initSize + 4 || headerEnd > setup.headerLimit) {
    throw field('jump', setup.jumpLength, headerEnd - setup.jumpEnd, `so the setup header ends at ${hex(headerEnd)}`);
  }

  const sectors = view.getUint8(setup.setupSects) || DEFAULT_SETUP_SECTS;
  const offset = (sectors + 1) * SECTOR;
  const size = file.size - offset;
  if (size <= ENTRY_64) {
    throw field('setup_sects', setup.setupSects, sectors, `which leaves no kernel in a file of ${file.size} bytes`);
  }
  const alignment = view.getUint32(setup.kernelAlignment, true);
  const relocatable = view.getUint8(setup.relocatable) !== 0;
  if (relocatable && (alignment === 0 || (alignment & (alignment - 1)) !== 0)) {
    throw field('kernel_alignment', setup.kernelAlignment, alignment, 'not a power of 2');
  }
  const preferred = view.getBigUint64(setup.prefAddress, true);
  if (preferred > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw field('pref_address', setup.prefAddress, preferred, 'beyond any RAM');
  }
  const aligned = relocatable ? Math.ceil(layout.kernel / alignment) * alignment : 0;
  const unpacked = Math.max(aligned, Number(preferred)) + view.getUint32(setup.initSize, true);
  return {
    format: 'bzImage',
    protocol: 'linux64',
    segments: [{ offset, fileSize: size, addr: layout.kernel, memSize: size }],
    entry: layout.kernel + ENTRY_64,
    end: Math.max(layout.kernel + size, unpacked),
    initrdLimit: view.getUint32(setup.initrdAddrMax, true) + 1,
    cmdlineSize: view.getUint32(setup.cmdlineSize, true),
    setupHeader: head.slice(setup.header, headerEnd),
  };
}
