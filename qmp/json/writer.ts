import { type JsonObject, type JsonValue, QFloat } from '../../src/system/json.js';

/**
 * `value` as QEMU writes it: ASCII, `, ` and `: ` between, members in insertion order, \uXXXX with capital digits for
 * control characters, DEL and everything beyond ASCII, doubles with 17 significant digits as C's %.17g.
 *
 * @param pretty one member or element a line, indented by four spaces; empty containers take two lines
 */
export function writeJson(value: JsonValue, pretty = false): string {
  if (pretty) return writePretty(value, '\n');
  return (typeof value === 'object' && value !== null ? kept.get(value) : undefined) ?? write(value);
}

const kept = new WeakMap<object, string>();

/** Keeps the text of a large value that never changes, so that `writeJson` of it is free. Returns the value. */
export function keepText<T extends JsonValue & object>(value: T): T {
  kept.set(value, write(value));
  return value;
}

function write(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return number(value);
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return list(value);
      if (value instanceof QFloat) return double(value.value);
      return object(value);
    }
    default:
      return String(value);
  }
}

function list(items: JsonValue[]): string {
  let text = '[';
  let separator = '';
  for (const item of items) {
    text += separator + write(item);
    separator = ', ';
  }
  return `${text}]`;
}

function object(members: JsonObject): string {
  let text = '{';
  let separator = '';
  for (const key in members) {
    text += `${separator}${quote(key)}: ${write(members[key] as JsonValue)}`;
    separator = ', ';
  }
  return `${text}}`;
}

function writePretty(value: JsonValue, newline: string): string {
  if (typeof value !== 'object' || value === null || value instanceof QFloat) return write(value);
  const inner = `${newline}    `;
  if (Array.isArray(value)) {
    return `[${value.map((item) => inner + writePretty(item, inner)).join(',')}${newline}]`;
  }
  const members = Object.entries(value).map(([key, member]) => `${inner}${quote(key)}: ${writePretty(member, inner)}`);
  return `{${members.join(',')}${newline}}`;
}

const special = /[^ !#-[\]-~]/;
const specials = /[^ !#-[\]-~]/gu;
const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function quote(text: string): string {
  return special.test(text) ? `"${text.replace(specials, escapeCharacter)}"` : `"${text}"`;
}

/** Lone surrogates and noncharacters become U+FFFD, as in QEMU. */
function escapeCharacter(character: string): string {
  const short = shortEscapes[character];
  if (short !== undefined) return short;
  const codePoint = character.codePointAt(0) ?? 0;
  if (/[\p{Cs}\p{Noncharacter_Code_Point}]/u.test(character)) return '\\uFFFD';
  if (codePoint <= 0xffff) return unit(codePoint);
  return unit(character.charCodeAt(0)) + unit(character.charCodeAt(1));
}

function unit(value: number): string {
  return `\\u${value.toString(16).toUpperCase().padStart(4, '0')}`;
}

function number(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  // An integer of a careless caller; exact ones are bigint.
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 64) return String(BigInt(value));
  return double(value);
}

/** C's `%.17g`, `inf` and `nan` included. */
function double(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  const negative = value < 0 || Object.is(value, -0);
  const [mantissa = '0', exponentText = '0'] = rounded17(Math.abs(value)).split('e');
  const exponent = Number(exponentText);
  const digits = mantissa.replace('.', '').replace(/0+$/, '') || '0';
  return (negative ? '-' : '') + place(digits, exponent);
}

/**
 * 17 significant digits with an exponent. JavaScript rounds ties up, C to even: 60 digits tell whether the rest is
 * exactly one half (such doubles have 18 digits in all).
 */
function rounded17(value: number): string {
  const long = value.toExponential(60);
  const tie = /^(\d\.\d{15}[02468])50{43}(e.*)$/.exec(long);
  return tie === null ? value.toExponential(16) : `${tie[1]}${tie[2]}`;
}

function place(digits: string, exponent: number): string {
  if (exponent < -4 || exponent >= 17) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const sign = exponent < 0 ? '-' : '+';
    return `${digits.charAt(0)}${fraction}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
