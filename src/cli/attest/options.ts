import { readFile } from 'node:fs/promises';
import { PCR_COUNT, PCR_SIZE } from '../../attestation/pcr-bank.js';
import { measureImage } from '../../eif/measure-image.js';
import { hexBytes, type ToolOptions, UsageError } from '../tool-options.js';

/** --pcr0 to --pcr31, and the image they can be taken from. */
export const pcrOptions = [...Array.from({ length: PCR_COUNT }, (_, index) => `pcr${index}`), 'eif'] as const;
/** What an enclave puts into a document: hex digits, or @FILE for a file's bytes. */
export const partOptions = ['nonce', 'user-data', 'public-key'] as const;

/**
 * The registers of --pcrN, with those of --eif beneath.
 *
 * @throws UsageError for a value that is not a register's
 * @throws QemuError for an image that cannot be measured
 */
export async function registers(
  options: ToolOptions,
  warn: (text: string) => void,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>();
  for (let index = 0; index < PCR_COUNT; index++) {
    const value = options.hex(`pcr${index}`);
    if (value !== undefined && value.length !== PCR_SIZE) {
      throw new UsageError(`option '--pcr${index}' takes ${PCR_SIZE} bytes in hex, not ${value.length}`);
    }
    if (value !== undefined) found.set(index, value);
  }
  const image = options.one('eif');
  if (image === undefined) return found;
  const { pcr0, pcr1, pcr2, pcr8 } = await measureImage(image, warn);
  return new Map([[0, pcr0], [1, pcr1], [2, pcr2], [8, pcr8], ...found]);
}

/** The bytes of hex digits or of @FILE. @throws UsageError */
export async function part(options: ToolOptions, name: (typeof partOptions)[number]): Promise<Buffer | undefined> {
  const text = options.one(name);
  if (text === undefined) return undefined;
  return text.startsWith('@') ? await readFile(text.slice(1)) : hexBytes(text, name);
}
