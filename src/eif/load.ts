import { QemuError } from '../system/errors.js';
import { type GuestRam, readRam } from '../system/guest-ram.js';
import type { TargetArch } from '../system/system.js';
import { planImage, writeImage } from './build.js';
import { checkCrc, type Finding } from './codec/check.js';
import { ImageCrc } from './codec/crc.js';
import { type Section, SectionType, sectionName } from './codec/header.js';
import { metadataProblem } from './codec/metadata.js';
import { HEAD_SIZE, kernelPayload, recognise } from './kernel.js';
import { signingCertificate } from './measure.js';
import { bytesPayload, ImageFile, type Payload } from './read.js';
import { readSections, reportFindings } from './sections.js';

/** Where the Nitro Hypervisor expects the image (spec nitro-enclaves-abi.md, NE_GET_IMAGE_LOAD_INFO). */
export const LOAD_OFFSET = 8 * 1024 * 1024;
/** Longest metadata or signature section whose content is looked at. */
const CONTENT_LIMIT = 1024 * 1024;

export interface LoadOptions {
  /** Path of an EIF or a kernel. */
  kernel: string;
  initrd?: string;
  append?: string;
  arch: TargetArch;
  ram: GuestRam;
  /** Guest offset of the image, default 8 MiB. */
  offset?: number;
  /** Called with one line for each finding that does not stop the load. */
  warn: (text: string) => void;
}

/** What was loaded. */
export interface LoadedImage {
  /** Whether the file was an EIF, or a kernel that an EIF was built around. */
  image: 'eif' | 'kernel';
  /** Guest offset. */
  offset: number;
  /** Bytes of the image in guest RAM. */
  size: number;
  /** As in the image's header. */
  crc32: number;
  /** In table order; offsets count from the start of the image. */
  sections: Section[];
  /** Bytes of all kernel sections. */
  kernelSize: number;
  /** Bytes of all ramdisk sections. */
  initrdSize: number;
  warnings: string[];
}

/**
 * Puts the image to start into guest RAM: an EIF as it is, or an EIF built around a bare kernel. Files are read
 * straight into the RAM, whatever their size; all that header and sizes tell is checked before the first byte is.
 *
 * @throws QemuError `nitro: failed to read EIF 'PATH'` or `Failed to read initrd 'PATH'` for a file that cannot be read,
 *   the finding's sentence for an image that must be refused, or kernel.ts's for what is neither EIF nor kernel
 */
export async function loadEif(options: LoadOptions): Promise<LoadedImage> {
  const warnings: string[] = [];
  const warn = (text: string) => {
    warnings.push(text);
    options.warn(text);
  };
  const offset = options.offset ?? LOAD_OFFSET;
  const file = await ImageFile.open(options.kernel, `nitro: failed to read EIF '${options.kernel}'`);
  try {
    const head = await file.bytes(0, HEAD_SIZE);
    const loaded =
      recognise(head) === 'eif'
        ? await loadImage(file, head, { ...options, warn }, offset)
        : await wrapKernel(file, head, options, offset);
    const sum = (type: number) =>
      loaded.sections.filter((section) => section.type === type).reduce((bytes, { size }) => bytes + size, 0);
    return {
      ...loaded,
      offset,
      kernelSize: sum(SectionType.kernel),
      initrdSize: sum(SectionType.ramdisk),
      warnings,
    };
  } finally {
    await file.close();
  }
}

type Loaded = Pick<LoadedImage, 'image' | 'size' | 'crc32' | 'sections'>;

async function loadImage(
  file: ImageFile,
  head: Uint8Array,
  { arch, ram, initrd, append, warn }: LoadOptions,
  offset: number,
): Promise<Loaded> {
  const report = (findings: Finding[]) => reportFindings(file.path, findings, warn);
  if (initrd !== undefined) warn(`'${file.path}' is an EIF, which has its own ramdisk: -initrd is ignored`);
  if (append) warn(`'${file.path}' is an EIF, which has its own command line: -append is ignored`);

  const room = Math.max(0, ram.size - offset);
  const { header, sections } = await readSections(file, head, { arch, room }, warn);

  const crc = new ImageCrc(sections);
  await file.copyTo(ram, offset, (piece) => crc.update(piece));
  report(checkCrc(header, sections, (order) => crc.over(order)));
  report(checkContents(ram, offset, sections));
  return { image: 'eif', size: file.size, crc32: header.crc32, sections };
}

/** Looks into the sections that are not handed to the guest; nothing here stops the load. */
function checkContents(ram: GuestRam, offset: number, sections: readonly Section[]): Finding[] {
  return sections.flatMap((section): Finding[] => {
    const { type, size } = section;
    if (size === 0 || (type !== SectionType.metadata && type !== SectionType.signature)) return [];
    const code = type === SectionType.metadata ? 'metadata' : 'signature';
    const where = `section at offset ${section.offset}`;
    const finding = (text: string, detail: string): Finding => ({ code, severity: 'warn', text, detail });
    if (size > CONTENT_LIMIT) {
      return [finding(`EIF ${sectionName(type)} section is too long to be checked`, `${where}: ${size} bytes`)];
    }
    const payload = readRam(ram, offset + section.payload, size);
    if (type === SectionType.metadata) {
      const problem = metadataProblem(payload);
      return problem === undefined ? [] : [finding('EIF metadata section is not valid', `${where}: ${problem}`)];
    }
    try {
      signingCertificate(payload);
      return [];
    } catch (error) {
      if (!(error instanceof QemuError)) throw error;
      return [finding(error.message, `${where}: ${error.hint}`)];
    }
  });
}

async function wrapKernel(
  file: ImageFile,
  head: Uint8Array,
  { initrd: path, append, arch, ram }: LoadOptions,
  offset: number,
): Promise<Loaded> {
  const kernel = await kernelPayload(file, head, arch);
  const initrd = path === undefined ? undefined : await ImageFile.open(path, `Failed to read initrd '${path}'`);
  try {
    const nothing: Payload = bytesPayload(new Uint8Array());
    const plan = planImage(arch, {
      kernel,
      cmdline: bytesPayload(Buffer.from(append ?? '')),
      initrd: initrd ?? nothing,
    });
    const room = Math.max(0, ram.size - offset);
    if (plan.size > room) {
      const parts = `kernel ${kernel.size} bytes, initrd ${initrd?.size ?? 0} bytes`;
      throw new QemuError(`EIF of ${plan.size} bytes is larger than the guest RAM it is loaded into`, {
        hint: `${parts}; ${room} bytes of RAM lie above the load address; increase -m`,
      });
    }
    const crc32 = await writeImage(plan, ram, offset);
    return { image: 'kernel', size: plan.size, crc32, sections: plan.parts.map(({ section }) => section) };
  } finally {
    await initrd?.close();
  }
}
