import { checkCrc, type FindingCode } from './codec/check.js';
import { ImageCrc } from './codec/crc.js';
import { type Section, SectionType } from './codec/header.js';
import { FilePart, type ImageFile } from './read.js';
import { readSections, reportFindings } from './sections.js';

/** What the emulated machine cannot start from, though a hypervisor might (spec eif.md, section 6b). */
const refused: FindingCode[] = ['missing-section', 'duplicate-section'];
/** Longest command line section that is looked at: more than any kernel takes. */
const CMDLINE_LIMIT = 1024 * 1024;

/** The sections of an EIF that a guest starts from, to be read straight to where they belong. */
export interface GuestImage {
  readonly crc32: number;
  /** In table order; offsets count from the start of the image. */
  readonly sections: readonly Section[];
  readonly kernel: FilePart;
  readonly cmdline: Uint8Array;
  /** In table order. */
  readonly ramdisks: readonly FilePart[];
}

/**
 * Opens an EIF for a guest whose memory we fill ourselves: all checks, the CRC included, are done here.
 *
 * @param head the first bytes of the file
 * @param room bytes of guest RAM
 * @throws QemuError with QEMU's sentence for an image that must be refused
 */
export async function readGuestImage(
  file: ImageFile,
  head: Uint8Array,
  room: number,
  warn: (text: string) => void,
): Promise<GuestImage> {
  const { header, sections } = await readSections(file, head, { arch: 'x86_64', room }, warn, refused);
  const crc = new ImageCrc(sections);
  for await (const piece of file.pieces()) crc.update(piece);
  reportFindings(
    file.path,
    checkCrc(header, sections, (order) => crc.over(order)),
    warn,
  );
  const parts = (type: number) =>
    sections.filter((section) => section.type === type).map(({ payload, size }) => new FilePart(file, payload, size));
  const [kernel] = parts(SectionType.kernel);
  const [cmdline] = parts(SectionType.cmdline);
  if (kernel === undefined || cmdline === undefined) throw new RangeError('checked images have both sections');
  return {
    crc32: header.crc32,
    sections,
    kernel,
    cmdline: await cmdline.bytes(0, CMDLINE_LIMIT),
    ramdisks: parts(SectionType.ramdisk),
  };
}
