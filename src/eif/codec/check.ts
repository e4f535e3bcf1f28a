import type { TargetArch } from '../../system/system.js';
import {
  CRC_OFFSET,
  CRC_VERSION,
  CURRENT_VERSION,
  EIF_MAGIC,
  type EifHeader,
  FLAG_AARCH64,
  flagsOf,
  HEADER_SIZE,
  MAX_SECTIONS,
  SECTION_HEADER_SIZE,
  SECTION_OFFSETS_OFFSET,
  SECTION_SIZES_OFFSET,
  type Section,
  type SectionHeader,
  SectionType,
  sectionName,
} from './header.js';

export type FindingCode =
  | 'short-header'
  | 'magic'
  | 'version'
  | 'architecture'
  | 'flags'
  | 'section-count'
  | 'offset-beyond-file'
  | 'size-beyond-file'
  | 'size-mismatch'
  | 'too-large'
  | 'crc'
  | 'crc-order'
  | 'section-flags'
  | 'section-type'
  | 'duplicate-section'
  | 'missing-section'
  | 'empty-section'
  | 'unused-slot'
  | 'gap'
  | 'overlap'
  | 'trailing-bytes'
  | 'metadata'
  | 'signature';

/** One fault of an image. An image with a finding of severity `refuse` must not be started. */
export interface Finding {
  code: FindingCode;
  severity: 'refuse' | 'warn';
  /** One sentence; QEMU's own where hw/core/eif.c has the rule (spec eif.md, section 6b). */
  text: string;
  /** Where in the file and with which value. */
  detail: string;
}

export interface ImageLimits {
  arch: TargetArch;
  /** Bytes of guest RAM from the load offset up. */
  room: number;
}

export interface ImageCheck {
  findings: Finding[];
  /** In table order; complete unless a finding is of severity `refuse`. */
  sections: Section[];
}

const SSIZE_MAX = 2n ** 63n - 1n;
const required = [SectionType.kernel, SectionType.cmdline, SectionType.ramdisk];
const unique: number[] = [SectionType.kernel, SectionType.cmdline, SectionType.metadata, SectionType.signature];

const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
const refuse = (code: FindingCode, text: string, detail: string): Finding => ({
  code,
  severity: 'refuse',
  text,
  detail,
});
const warn = (code: FindingCode, text: string, detail: string): Finding => ({ code, severity: 'warn', text, detail });

/**
 * Checks everything that header, section headers and file size tell, in QEMU's order.
 *
 * @param header undefined when the file has fewer than 548 bytes
 * @param sectionHeaders what lies at the offset of each used slot, undefined where 12 bytes could not be read
 * @param fileSize bytes
 */
export function checkImage(
  header: EifHeader | undefined,
  sectionHeaders: readonly (SectionHeader | undefined)[],
  fileSize: number,
  limits: ImageLimits,
): ImageCheck {
  if (header === undefined) {
    const detail = `the file has ${fileSize} bytes, an EIF header ${HEADER_SIZE}`;
    return { findings: [refuse('short-header', 'Failed to read EIF header', detail)], sections: [] };
  }
  if (header.magic !== EIF_MAGIC) {
    const detail = `magic at offset 0 is ${hex(header.magic, 8)}, not ${hex(EIF_MAGIC, 8)} ('.eif')`;
    return { findings: [refuse('magic', 'Invalid EIF image. Magic mismatch.', detail)], sections: [] };
  }
  const findings = checkHeader(header, fileSize, limits);
  const sections: Section[] = [];
  for (let slot = 0; slot < Math.min(header.sectionCount, MAX_SECTIONS); slot++) {
    const checked = checkSection(header, slot, sectionHeaders[slot], fileSize);
    findings.push(...checked.findings);
    if (checked.section === undefined) continue;
    findings.push(...checkDuplicate(checked.section, sections));
    sections.push(checked.section);
  }
  findings.push(...checkMissing(sections), ...checkPlacement(sections, fileSize));
  return { findings, sections };
}

function checkHeader(header: EifHeader, fileSize: number, { arch, room }: ImageLimits): Finding[] {
  const findings: Finding[] = [];
  for (const [slot, { offset, size }] of header.table.entries()) {
    const at = `slot ${slot} of the size table, at offset ${SECTION_SIZES_OFFSET + 8 * slot}, holds ${size}`;
    if (size > SSIZE_MAX)
      findings.push(refuse('size-beyond-file', 'Invalid EIF image. Section size out of bounds', at));
    else if (slot >= header.sectionCount && (size !== 0n || offset !== 0n)) {
      const offsetAt = `and offset ${offset} at ${SECTION_OFFSETS_OFFSET + 8 * slot}; the image has ${header.sectionCount} sections`;
      findings.push(warn('unused-slot', 'EIF section table has an unused slot that is not zero', `${at}, ${offsetAt}`));
    }
  }
  if (header.version !== CURRENT_VERSION) {
    const text = header.version < CURRENT_VERSION ? 'Expected EIF version 4 or greater' : 'EIF version is newer than 4';
    findings.push(warn('version', text, `version at offset 4 is ${header.version}`));
  }
  if (header.flags !== flagsOf(arch)) {
    const text = `Expected EIF flags to be ${flagsOf(arch)}`;
    const at = `flags at offset 6 are ${hex(header.flags, 4)}`;
    const built = (header.flags & FLAG_AARCH64) !== 0 ? 'aarch64' : 'x86_64';
    findings.push(
      built === arch
        ? warn('flags', text, `${at}; only bit 0 has a meaning`)
        : refuse('architecture', text, `${at}: the image is for ${built}, this target is ${arch}`),
    );
  }
  if (header.sectionCount > MAX_SECTIONS) {
    const text = `EIF header section count must not be greater than ${MAX_SECTIONS} but found ${header.sectionCount}`;
    findings.push(refuse('section-count', text, `section count at offset 26 is ${header.sectionCount}`));
  }
  if (fileSize > room) {
    const text = `EIF of ${fileSize} bytes is larger than the guest RAM it is loaded into`;
    findings.push(refuse('too-large', text, `${room} bytes of RAM lie above the load address; increase -m`));
  }
  return findings;
}

function checkSection(
  header: EifHeader,
  slot: number,
  found: SectionHeader | undefined,
  fileSize: number,
): { findings: Finding[]; section?: Section } {
  const { offset, size } = header.table[slot] ?? { offset: 0n, size: 0n };
  const tableAt = `slot ${slot} of the offset table, at offset ${SECTION_OFFSETS_OFFSET + 8 * slot}, holds ${offset}`;
  if (offset > SSIZE_MAX) {
    return {
      findings: [refuse('offset-beyond-file', 'Invalid EIF image. Section offset out of bounds', tableAt)],
    };
  }
  if (found === undefined || offset + BigInt(SECTION_HEADER_SIZE) > BigInt(fileSize)) {
    const detail = `${tableAt}; the file has ${fileSize} bytes`;
    return { findings: [refuse('offset-beyond-file', 'Failed to read EIF section header', detail)] };
  }
  const findings: Finding[] = [];
  const name = sectionName(found.type);
  const where = `section ${slot} (${name}) at offset ${offset}`;
  if (found.flags !== 0) {
    findings.push(
      warn('section-flags', 'Expected EIF section header flags to be 0', `${where}: flags are ${hex(found.flags, 4)}`),
    );
  }
  if (name === 'invalid' || name === 'unknown') {
    findings.push(warn('section-type', `EIF section has ${name} type ${found.type}`, where));
  }
  if (found.size !== size) {
    const text = `EIF section size mismatch between header and section header: header ${size}, section header ${found.size}`;
    return { findings: [...findings, refuse('size-mismatch', text, where)] };
  }
  const payload = offset + BigInt(SECTION_HEADER_SIZE);
  if (payload + size > BigInt(fileSize)) {
    const detail = `${where}: payload of ${size} bytes from offset ${payload}, the file has ${fileSize} bytes`;
    return { findings: [...findings, refuse('size-beyond-file', `Failed to read EIF ${name} section data`, detail)] };
  }
  if (size === 0n && found.type !== SectionType.cmdline) {
    findings.push(warn('empty-section', `EIF ${name} section is empty`, where));
  }
  return {
    findings,
    section: { type: found.type, offset: Number(offset), payload: Number(payload), size: Number(size) },
  };
}

function checkDuplicate(section: Section, earlier: readonly Section[]): Finding[] {
  const first = earlier.find(({ type }) => type === section.type);
  if (first === undefined || !unique.includes(section.type)) return [];
  const name = sectionName(section.type);
  const detail = `at offset ${first.offset} and again at offset ${section.offset}`;
  return [warn('duplicate-section', `Invalid EIF image. More than 1 ${name} section`, detail)];
}

function checkMissing(sections: readonly Section[]): Finding[] {
  return required
    .filter((type) => !sections.some((section) => section.type === type))
    .map((type) => {
      const detail = `none of the ${sections.length} sections has type ${type}`;
      return warn('missing-section', `Invalid EIF image. No ${sectionName(type)} section.`, detail);
    });
}

function inFileOrder(sections: readonly Section[]): Section[] {
  return [...sections].sort((a, b) => a.offset - b.offset);
}

function checkPlacement(sections: readonly Section[], fileSize: number): Finding[] {
  const findings: Finding[] = [];
  let end = HEADER_SIZE;
  for (const section of inFileOrder(sections)) {
    const what = `${sectionName(section.type)} section at offset ${section.offset}`;
    if (section.offset > end) {
      findings.push(
        warn('gap', 'EIF has bytes that belong to no section', `${section.offset - end} before the ${what}`),
      );
    } else if (section.offset < end) {
      const detail = `the ${what} begins ${end - section.offset} bytes before what precedes it ends`;
      findings.push(warn('overlap', 'EIF sections overlap', detail));
    }
    end = Math.max(end, section.payload + section.size);
  }
  if (end < fileSize) {
    const detail = `${fileSize - end} from offset ${end}, which no CRC covers`;
    findings.push(warn('trailing-bytes', 'EIF has bytes after its last section', detail));
  }
  return findings;
}

/**
 * Compares the stored CRC. QEMU goes by the section table, AWS's tools by the order in the file; the two differ only
 * where the table is out of order or sections overlap, and there QEMU's is what counts.
 *
 * @param over the image's CRC over sections in the order given (ImageCrc.over)
 */
export function checkCrc(
  header: EifHeader,
  sections: readonly Section[],
  over: (sections: readonly Section[]) => number,
): Finding[] {
  if (header.version < CRC_VERSION) return [];
  const byTable = over(sections);
  const byFile = over(inFileOrder(sections));
  const stored = `the CRC at offset ${CRC_OFFSET} is ${hex(header.crc32, 8)}`;
  if (byTable !== header.crc32) {
    const text = `CRC mismatch. Expected ${byTable} but header has ${header.crc32}.`;
    const detail = `${stored}, computed in table order ${hex(byTable, 8)}, in file order ${hex(byFile, 8)}`;
    return [refuse('crc', text, detail)];
  }
  if (byFile === byTable) return [];
  const detail = `${stored}, right in table order as QEMU reads; AWS's tools read in file order and compute ${hex(byFile, 8)}`;
  return [warn('crc-order', 'EIF section table is not in file order', detail)];
}
