import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { asError, QemuError } from '../system/errors.js';
import type { TargetArch } from '../system/system.js';
import { bytesPayload, type ImageFile, type Payload } from './read.js';

/** Bytes of a file that `recognise` looks at. */
export const HEAD_SIZE = 1024;
/** Longest kernel file that is unpacked, and longest result: QEMU's limit for arm64 kernels too. */
const UNPACK_LIMIT = 256 * 1024 * 1024;

const formats = {
  eif: 'an EIF',
  bzImage: 'an x86 bzImage',
  Image: 'an arm64 Image',
  zboot: 'an arm64 zboot kernel',
  gzip: 'gzip data',
  elf: 'an ELF file',
  unknown: 'no known format',
};
export type ImageFormat = keyof typeof formats;

const magics: [format: ImageFormat, offset: number, magic: string][] = [
  ['eif', 0, '.eif'],
  // spec virtio.md, section 7
  ['bzImage', 0x202, 'HdrS'],
  // Linux Documentation/arch/arm64/booting.rst
  ['Image', 56, 'ARM\x64'],
  // Linux drivers/firmware/efi/libstub/zboot-header.S
  ['zboot', 4, 'zimg'],
  ['gzip', 0, '\x1f\x8b'],
  ['elf', 0, '\x7fELF'],
];

const accepted: Record<TargetArch, { formats: ImageFormat[]; text: string }> = {
  x86_64: { formats: ['bzImage'], text: "an EIF ('.eif' at offset 0) or a bzImage ('HdrS' at offset 0x202)" },
  aarch64: {
    formats: ['Image', 'zboot', 'gzip'],
    text: "an EIF ('.eif' at offset 0), an Image ('ARM\\x64' at offset 56), or an Image packed by gzip or zboot",
  },
};

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

/** The format of an image by its first `HEAD_SIZE` bytes, or all it has. */
export function recognise(head: Uint8Array): ImageFormat {
  const found = magics.find(([, offset, magic]) => latin1(head, offset, magic.length) === magic);
  if (found?.[0] === 'zboot' && latin1(head, 0, 2) !== 'MZ') return 'unknown';
  return found?.[0] ?? 'unknown';
}

/**
 * The kernel in a file that is not an EIF, ready to become a section: the file itself, or what was packed in it.
 *
 * @throws QemuError for a file that is no kernel of the target, or cannot be unpacked
 */
export async function kernelPayload(file: ImageFile, head: Uint8Array, arch: TargetArch): Promise<Payload> {
  const format = recognise(head);
  if (!accepted[arch].formats.includes(format)) throw notAKernel(file.path, arch, describe(format, head));
  if (format === 'gzip') return unpack(file, 0, file.size);
  if (format !== 'zboot') return file;
  const header = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 64) throw cannotUnpack(file.path, `the zboot header is cut off at ${head.length} bytes`);
  const [compression = ''] = latin1(head, 24, 32).split('\0');
  if (compression !== 'gzip') {
    const name = compression.replace(/[^ -~]/g, '?');
    throw cannotUnpack(file.path, `its compression is '${name}', only gzip is supported; pass the plain Image`);
  }
  return unpack(file, header.getUint32(8, true), header.getUint32(12, true));
}

async function unpack(file: ImageFile, offset: number, size: number): Promise<Payload> {
  if (offset + size > file.size) {
    const range = `${size} bytes from offset ${offset}`;
    throw cannotUnpack(file.path, `its payload, ${range}, lies outside the ${file.size} bytes of the file`);
  }
  if (size > UNPACK_LIMIT) throw cannotUnpack(file.path, `its payload has ${size} bytes, the limit is ${UNPACK_LIMIT}`);
  const packed = await file.bytes(offset, size);
  const bytes = await promisify(gunzip)(packed, { maxOutputLength: UNPACK_LIMIT }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    const tooLong = `it unpacks to more than ${UNPACK_LIMIT} bytes`;
    throw cannotUnpack(file.path, code === 'ERR_BUFFER_TOO_LARGE' ? tooLong : asError(error).message);
  });
  const format = recognise(bytes.subarray(0, HEAD_SIZE));
  if (format !== 'Image') throw notAKernel(file.path, 'aarch64', `${describe(format, bytes)} packed by gzip`);
  return bytesPayload(bytes);
}

function describe(format: ImageFormat, head: Uint8Array): string {
  if (head.length === 0) return 'nothing (the file is empty)';
  if (format !== 'unknown') return formats[format];
  const first = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `${formats.unknown} (first bytes ${first})`;
}

function notAKernel(path: string, arch: TargetArch, found: string): QemuError {
  return new QemuError(`nitro: '${path}' is neither an EIF nor a Linux kernel for ${arch}`, {
    hint: `found ${found}; -kernel takes ${accepted[arch].text}`,
  });
}

function cannotUnpack(path: string, why: string): QemuError {
  return new QemuError(`nitro: cannot unpack kernel '${path}'`, { hint: why });
}
