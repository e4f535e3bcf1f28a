import { ShapeError } from './cose.js';

/** Tags of what certificates are made of (X.690). */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

export interface DerItem {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
}

/** The items that fill `bytes`, in DER: definite, shortest lengths. @throws ShapeError */
export function readDer(bytes: Uint8Array): DerItem[] {
  const items: DerItem[] = [];
  for (let at = 0; at < bytes.length; ) {
    const item = itemAt(bytes, at);
    items.push(item);
    at += item.raw.length;
  }
  return items;
}

/** The only item of `bytes`, which must have this tag. @throws ShapeError */
export function readDerItem(bytes: Uint8Array, tag: number): DerItem {
  const [item, more] = readDer(bytes);
  if (item === undefined || more !== undefined || item.tag !== tag) throw new ShapeError('other DER than expected');
  return item;
}

function itemAt(bytes: Uint8Array, at: number): DerItem {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new ShapeError('DER that is cut off');
  if ((tag & 0x1f) === 0x1f) throw new ShapeError('a DER tag of more than one byte');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const size = first & 0x7f;
    if (size === 0 || size > 2) throw new ShapeError('a DER length of another form than certificates need');
    length = 0;
    for (let i = 0; i < size; i++) length = length * 256 + (bytes[start + i] ?? 0);
    if (length < (size === 1 ? 0x80 : 0x100)) throw new ShapeError('a DER length that is not the shortest');
    start += size;
  }
  const end = start + length;
  if (end > bytes.length) throw new ShapeError('DER that is cut off');
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) };
}

/** A BOOLEAN's value. @throws ShapeError */
export function derBoolean({ tag, content }: DerItem): boolean {
  const [value] = content;
  if (tag !== DerTag.boolean || content.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw new ShapeError('DER that is not a BOOLEAN');
  }
  return value === 0xff;
}

/** A non-negative INTEGER of at most 4 bytes. @throws ShapeError */
export function derSmallInteger({ tag, content }: DerItem): number {
  const [first = 0x80] = content;
  if (tag !== DerTag.integer || content.length > 4 || first >= 0x80) throw new ShapeError('an INTEGER out of range');
  return content.reduce((value, byte) => value * 256 + byte, 0);
}

/** The time, milliseconds since 1970, of a UTCTime or GeneralizedTime in the forms of RFC 5280, section 4.1.2.5. */
export function derTime({ tag, content }: DerItem): number {
  const text = Buffer.from(content).toString('latin1');
  const digits = tag === DerTag.utcTime ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits);
  if ((tag !== DerTag.utcTime && tag !== DerTag.generalizedTime) || parts === null) {
    throw new ShapeError('DER that is not a time');
  }
  const [year = 0, month = 0, ...rest] = parts.slice(1).map(Number);
  const [day, hour, minute, second] = rest;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
