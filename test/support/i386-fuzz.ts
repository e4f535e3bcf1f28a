import fc from 'fast-check';
import { parseBzImage } from '../../src/hw/i386/bzimage.js';
import { parseElf } from '../../src/hw/i386/elf.js';
import { checkPlacement, loadSegments } from '../../src/hw/i386/kernel-image.js';
import { QemuError } from '../../src/system/errors.js';
import { bytesSource, elfImage, linuxImage, MIB, machineMemory, pvhNote } from './i386-kernels.js';
import { pattern } from './kernels.js';

const elf = elfImage(
  [
    { addr: 0x100000n, bytes: pattern(300) },
    { addr: 0x102000n, bytes: pattern(100), memSize: 0x2000n },
    { type: 4, addr: 0n, bytes: pvhNote(0x100040) },
  ],
  0x100010n,
);
const bzImage = linuxImage(4000, { initSize: 0x100000 });
/** Where the fields are that parsers read; most edits go there. */
const fields = new Map<Buffer, fc.Arbitrary<number>>([
  [elf, fc.oneof(fc.nat(231), fc.integer({ min: 632, max: elf.length - 1 }))],
  [bzImage, fc.integer({ min: 0x1f1, max: 0x280 })],
]);
const values = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));

const damaged = (original: Buffer) =>
  fc
    .tuple(
      fc.array(fc.tuple(fields.get(original) ?? fc.nat(original.length - 1), values), { maxLength: 6 }),
      fc.option(fc.nat(original.length), { freq: 6, nil: original.length }),
    )
    .map(([edits, length]) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of edits) bytes[at] = value;
      return bytes.subarray(0, length);
    });

/**
 * Parses damaged kernels and loads those that are accepted: an error is a QemuError, all else stays inside file and RAM
 * (source and memory throw a RangeError when not).
 *
 * @throws Error with the bytes of a case that does not hold
 */
export async function bootParsersHold(runs: number): Promise<void> {
  const memory = machineMemory(64 * MIB);
  for (const [original, parse] of [[elf, parseElf] as const, [bzImage, parseBzImage] as const]) {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(damaged(original), async (bytes) => {
        const file = bytesSource(bytes);
        try {
          const image = await parse(file);
          checkPlacement(image, memory);
          if (image.segments.every(({ memSize }) => memSize < MIB)) await loadSegments(image, file, memory);
          accepted += 1;
        } catch (error) {
          if (!(error instanceof QemuError)) throw error;
        }
      }),
      { numRuns: runs },
    );
    if (accepted < runs / 100) throw new Error(`only ${accepted} of ${runs} cases were accepted`);
  }
}
