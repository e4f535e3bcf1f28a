import { QemuError } from '../system/errors.js';
import { checkImage, type Finding, type FindingCode, type ImageLimits } from './codec/check.js';
import {
  decodeHeader,
  decodeSectionHeader,
  type EifHeader,
  HEADER_SIZE,
  MAX_SECTIONS,
  SECTION_HEADER_SIZE,
  type Section,
} from './codec/header.js';
import type { ImageFile } from './read.js';

/**
 * Hands the findings on an image to the user: the first that refuses it is thrown, the others are warnings.
 *
 * @param refuse codes that refuse an image here whatever their severity
 */
export function reportFindings(
  path: string,
  findings: readonly Finding[],
  warn: (text: string) => void,
  refuse: readonly FindingCode[] = [],
): void {
  const refused = findings.find(({ severity, code }) => severity === 'refuse' || refuse.includes(code));
  if (refused !== undefined) throw new QemuError(refused.text, { hint: `'${path}': ${refused.detail}` });
  for (const { text, detail } of findings) warn(`'${path}': ${text} (${detail})`);
}

/**
 * Reads the section headers of an EIF and checks all that they and its header tell.
 *
 * @param head the first bytes of the file
 * @param refuse as in `reportFindings`
 * @throws QemuError for an image that must be refused
 */
export async function readSections(
  file: ImageFile,
  head: Uint8Array,
  limits: ImageLimits,
  warn: (text: string) => void,
  refuse: readonly FindingCode[] = [],
): Promise<{ header: EifHeader; sections: Section[] }> {
  const header = decodeHeader(head);
  const used = header?.table.slice(0, Math.min(header.sectionCount, MAX_SECTIONS)) ?? [];
  const sectionHeaders = await Promise.all(
    used.map(async (slot) => {
      const inFile = slot.offset < BigInt(file.size);
      return inFile ? decodeSectionHeader(await file.bytes(Number(slot.offset), SECTION_HEADER_SIZE)) : undefined;
    }),
  );
  const { findings, sections } = checkImage(header, sectionHeaders, file.size, limits);
  reportFindings(file.path, findings, warn, refuse);
  if (header === undefined) throw new RangeError(`an image of ${HEADER_SIZE} bytes or more has a header`);
  return { header, sections };
}
