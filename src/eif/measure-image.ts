import { checkCrc } from './codec/check.js';
import { ImageCrc } from './codec/crc.js';
import { decodeHeader, FLAG_AARCH64 } from './codec/header.js';
import { HEAD_SIZE } from './kernel.js';
import { type Measurements, measureEif } from './measure.js';
import { ImageFile } from './read.js';
import { readSections, reportFindings } from './sections.js';

/**
 * Measures an EIF of either architecture straight from its file.
 *
 * @param warn called with one line for each finding that does not refuse the image
 * @throws QemuError for a file that cannot be read or is not a sound EIF
 */
export async function measureImage(path: string, warn: (text: string) => void): Promise<Measurements> {
  const file = await ImageFile.open(path, `failed to read EIF '${path}'`);
  try {
    const head = await file.bytes(0, HEAD_SIZE);
    const arch = ((decodeHeader(head)?.flags ?? 0) & FLAG_AARCH64) === 0 ? 'x86_64' : 'aarch64';
    const { header, sections } = await readSections(file, head, { arch, room: Number.POSITIVE_INFINITY }, warn);
    const crc = new ImageCrc(sections);
    for await (const piece of file.pieces()) crc.update(piece);
    reportFindings(
      path,
      checkCrc(header, sections, (order) => crc.over(order)),
      warn,
    );
    const measured = await measureEif(
      sections.map(({ type, payload, size }) => ({ type, pieces: file.pieces(payload, size) })),
    );
    await file.checkUnchanged();
    return measured;
  } finally {
    await file.close();
  }
}
