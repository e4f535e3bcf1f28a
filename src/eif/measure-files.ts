import { QemuError } from '../system/errors.js';
import { planImage } from './build.js';
import { decodeHeader, type Section, SectionType } from './codec/header.js';
import { HEAD_SIZE, kernelPayload, recognise } from './kernel.js';
import type { LoadedImage, LoadOptions } from './load.js';
import { type Measurements, measureEif } from './measure.js';
import { bytesPayload, ImageFile } from './read.js';

/** Where an image came from: guest RAM may be out of reach by the time somebody asks for its measurements. */
export type ImageSource = Pick<LoadOptions, 'kernel' | 'initrd' | 'append' | 'arch'>;

/** What must still be so. */
type MeasuredImage = Pick<LoadedImage, 'size' | 'crc32'> & { readonly sections: readonly Section[] };

/**
 * Measures the image of an enclave from its files again. They must still be what was loaded, as far as sizes and the
 * image's CRC tell.
 *
 * @param more path of a ramdisk that the machine puts behind those of an EIF, as QEMU's nitro-enclave does with -initrd
 * @throws QemuError when a file cannot be read or has changed
 */
export async function measureFiles(source: ImageSource, loaded: MeasuredImage, more?: string): Promise<Measurements> {
  const file = await ImageFile.open(source.kernel, `Failed to read '${source.kernel}' again`);
  try {
    const head = await file.bytes(0, HEAD_SIZE);
    if (recognise(head) !== 'eif') return await measureParts(file, head, source, loaded);
    if (file.size !== loaded.size || decodeHeader(head)?.crc32 !== loaded.crc32) throw changed(source.kernel);
    const sections = loaded.sections.map(({ type, payload, size }) => ({ type, pieces: file.pieces(payload, size) }));
    if (more === undefined) return await measureEif(sections);
    const ramdisk = await ImageFile.open(more, `Failed to read '${more}' again`);
    try {
      return await measureEif([...sections, { type: SectionType.ramdisk, pieces: ramdisk.pieces() }]);
    } finally {
      await ramdisk.close();
    }
  } finally {
    await file.close();
  }
}

function changed(path: string): QemuError {
  return new QemuError(`'${path}' has changed since the enclave was started`);
}

async function measureParts(
  file: ImageFile,
  head: Uint8Array,
  { initrd: path, append = '', arch }: ImageSource,
  loaded: MeasuredImage,
): Promise<Measurements> {
  const kernel = await kernelPayload(file, head, arch);
  const initrd = path === undefined ? undefined : await ImageFile.open(path, `Failed to read '${path}' again`);
  try {
    const cmdline = bytesPayload(Buffer.from(append));
    const plan = planImage(arch, { kernel, cmdline, initrd: initrd ?? bytesPayload(new Uint8Array()) });
    if (plan.size !== loaded.size) throw changed(file.path);
    return await measureEif(
      plan.parts.map(({ section, payload }) => ({ type: section.type, pieces: payload.pieces() })),
    );
  } finally {
    await initrd?.close();
  }
}
