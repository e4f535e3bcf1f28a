/**
 * Guest RAM as its loaders and devices see it: `size` bytes from guest offset 0, reached through windows.
 *
 * `windows(offset, length)` yields writable views that cover the range in order, without holes, each of at most 1 GiB
 * (a longer view may abort the process: spec/node-host.md); it throws RangeError for a range outside the RAM.
 */
export interface GuestRam {
  readonly size: number;
  windows(offset: number, length: number): Iterable<Uint8Array>;
}

/** The windows of a range cut into pieces of at most `limit` bytes. */
export function* ramPieces(ram: GuestRam, offset: number, length: number, limit: number): Generator<Uint8Array> {
  for (const window of ram.windows(offset, length)) {
    for (let at = 0; at < window.length; at += limit) yield window.subarray(at, at + limit);
  }
}

/** A copy of `length` bytes of RAM. */
export function readRam(ram: GuestRam, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const window of ram.windows(offset, length)) {
    bytes.set(window, at);
    at += window.length;
  }
  return bytes;
}

export function writeRam(ram: GuestRam, offset: number, bytes: Uint8Array): void {
  let at = 0;
  for (const window of ram.windows(offset, bytes.length)) {
    window.set(bytes.subarray(at, at + window.length));
    at += window.length;
  }
}
