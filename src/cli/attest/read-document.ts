import { createReadStream } from 'node:fs';
import { DOCUMENT_LIMIT } from '../../attestation/cose.js';

/** Bytes of a document's file: hex digits with line breaks take the most. */
const FILE_LIMIT = 3 * DOCUMENT_LIMIT;

/**
 * A document from a file, `-` for standard input: its bytes, or their base64 or hex, with or without line breaks.
 *
 * @throws Error for a file that cannot be read or is too long
 */
export async function readDocument(path: string): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
    parts.push(chunk);
    size += chunk.length;
    if (size > FILE_LIMIT) throw new Error(`'${path}' is longer than any attestation document`);
  }
  return decode(Buffer.concat(parts));
}

function decode(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replaceAll(/\s/g, '');
  if (/^([0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[\w+/-]+={0,2}$/.test(text)) return Buffer.from(text, 'base64');
  return bytes;
}
