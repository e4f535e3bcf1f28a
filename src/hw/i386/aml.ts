/**
 * ACPI Machine Language, as much of it as our DSDT needs (ACPI specification 6.4, chapter 20). Every function gives the
 * encoded bytes of the ASL construct that it is named after.
 */
export type Aml = readonly number[];

const op = {
  name: 0x08,
  byte: 0x0a,
  word: 0x0b,
  dword: 0x0c,
  string: 0x0d,
  scope: 0x10,
  buffer: 0x11,
  package: 0x12,
  method: 0x14,
  extended: 0x5b,
  region: 0x80,
  field: 0x81,
  device: 0x82,
  and: 0x7b,
  notify: 0x86,
  if: 0xa0,
};
const SYSTEM_MEMORY = 0;
const DWORD_ACCESS = 3;
const WRITE_AS_ZEROS = 2 << 5;
const SERIALIZED = 8;

function little(value: number, size: number): Aml {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

/** PkgLength and what it covers; the length counts its own bytes (section 20.2.4). */
function sized(...parts: Aml[]): Aml {
  const content = parts.flat();
  const short = content.length + 1;
  if (short < 0x40) return [short, ...content];
  const extra = content.length + 2 < 0x1000 ? 1 : 2;
  const length = content.length + 1 + extra;
  if (length >= 0x100000) throw new RangeError(`AML package of ${length} bytes`);
  return [(extra << 6) | (length & 0xf), ...little(length >> 4, extra), ...content];
}

/** A name of one segment of 1 to 4 characters, after a root prefix if it begins with one. */
export function nameString(name: string): Aml {
  const segment = name.replace(/^\\/, '');
  if (!/^([A-Z_][A-Z0-9_]{0,3})?$/.test(segment)) throw new RangeError(`'${name}' is no AML name`);
  const prefix = name.startsWith('\\') ? [0x5c] : [];
  return [...prefix, ...(segment === '' ? [0] : Buffer.from(segment.padEnd(4, '_')))];
}

/** An integer below 2^32. */
export function integer(value: number): Aml {
  if (value < 2) return [value];
  if (value < 0x100) return [op.byte, value];
  return value < 0x10000 ? [op.word, ...little(value, 2)] : [op.dword, ...little(value, 4)];
}

export const string = (value: string): Aml => [op.string, ...Buffer.from(value, 'latin1'), 0];

/** The compressed form of an id such as `PNP0501` (section 19.3.4). */
export function eisaId(id: string): Aml {
  const [a = 0, b = 0, c = 0] = [...id.slice(0, 3)].map((letter) => letter.charCodeAt(0) - 0x40);
  const vendor = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(id.slice(3), 16);
  return [op.dword, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

export const name = (path: string, value: Aml): Aml => [op.name, ...nameString(path), ...value];
export const scope = (path: string, ...terms: Aml[]): Aml => [op.scope, ...sized(nameString(path), ...terms)];
export const device = (path: string, ...terms: Aml[]): Aml => [
  op.extended,
  op.device,
  ...sized(nameString(path), ...terms),
];
export const pack = (...elements: Aml[]): Aml => [op.package, ...sized([elements.length], ...elements)];
export const and = (a: Aml, b: Aml): Aml => [op.and, ...a, ...b, 0];
export const when = (predicate: Aml, ...terms: Aml[]): Aml => [op.if, ...sized(predicate, ...terms)];
export const notify = (path: string, value: number): Aml => [op.notify, ...nameString(path), ...integer(value)];

/** A serialized method. */
export const method = (path: string, args: number, ...terms: Aml[]): Aml => [
  op.method,
  ...sized(nameString(path), [args | SERIALIZED], ...terms),
];

/** An operation region in memory, and its first 32 bits as a field. */
export function register(region: string, field: string, addr: number): Aml {
  const area = [op.extended, op.region, ...nameString(region), SYSTEM_MEMORY, ...integer(addr), ...integer(4)];
  const bits = sized(nameString(region), [DWORD_ACCESS | WRITE_AS_ZEROS], nameString(field), [32]);
  return [...area, op.extended, op.field, ...bits];
}

/** A buffer of resource descriptors with its end tag (section 6.4.2.9; checksum 0 stands for none). */
export function resourceTemplate(...descriptors: Aml[]): Aml {
  const bytes = [...descriptors.flat(), 0x79, 0];
  return [op.buffer, ...sized(integer(bytes.length), bytes)];
}

/** I/O ports that are decoded with 16 bits (section 6.4.2.5). */
export const io = (port: number, count: number): Aml => [0x47, 1, ...little(port, 2), ...little(port, 2), 1, count];
/** An ISA interrupt (section 6.4.2.1). */
export const irqNoFlags = (irq: number): Aml => [0x22, ...little(1 << irq, 2)];
/** Section 6.4.3.4. */
export const memory32Fixed = (base: number, size: number): Aml => [
  0x86,
  9,
  0,
  1,
  ...little(base, 4),
  ...little(size, 4),
];
/** An interrupt that the device consumes alone: edge, active high (section 6.4.3.6). */
export const edgeInterrupt = (gsi: number): Aml => [0x89, 6, 0, 0x03, 1, ...little(gsi, 4)];
