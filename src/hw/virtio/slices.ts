/** Copies `bytes` to the slices from `offset` on; they fit. @returns how many */
export function scatter(slices: readonly Uint8Array[], offset: number, bytes: Uint8Array): number {
  let done = 0;
  let start = 0;
  for (const slice of slices) {
    const at = offset + done - start;
    if (at < slice.length && done < bytes.length) {
      const piece = bytes.subarray(done, done + slice.length - at);
      slice.set(piece, at);
      done += piece.length;
    }
    start += slice.length;
  }
  return done;
}

/** A copy of `length` bytes of the slices from `offset` on; they are there. */
export function gather(slices: readonly Uint8Array[], offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  let start = 0;
  for (const slice of slices) {
    const at = offset + done - start;
    if (at < slice.length && done < length) {
      const piece = slice.subarray(at, at + length - done);
      bytes.set(piece, done);
      done += piece.length;
    }
    start += slice.length;
  }
  return bytes;
}
