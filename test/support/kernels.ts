/** Bytes that differ from one another, so that a misplaced copy shows. */
export function pattern(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A file with the setup header's marks of an x86 kernel (Linux Documentation/arch/x86/boot.rst). */
export function bzImage(size: number): Buffer {
  const bytes = pattern(size, 2);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write('HdrS', 0x202);
  return bytes;
}

/** A file with the mark of an arm64 kernel (Linux Documentation/arch/arm64/booting.rst). */
export function arm64Image(size: number): Buffer {
  const bytes = pattern(Math.max(size, 64), 3);
  bytes.write('MZ', 0);
  bytes.write('ARM\x64', 56);
  return bytes;
}

/** An arm64 EFI zboot kernel around a packed one (Linux drivers/firmware/efi/libstub/zboot-header.S). */
export function zboot(packed: Uint8Array, compression = 'gzip'): Buffer {
  const header = Buffer.alloc(512);
  header.write('MZ', 0);
  header.write('zimg', 4);
  header.writeUInt32LE(header.length, 8);
  header.writeUInt32LE(packed.length, 12);
  header.write(compression, 24, 32);
  return Buffer.concat([header, packed]);
}
