import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/system/json.js';
import { JsonReader, JsonSyntaxError } from '../../json/reader.js';
import { checkEnvelope, RequestError } from '../../session/envelope.js';

/** What one line asks for. */
export interface ShellRequest {
  readonly command: string;
  readonly args: JsonObject;
  readonly oob: boolean;
  /** Of a line in JSON: the reply is shown with it. */
  readonly id?: JsonValue;
}

/** A line that is no command; the message says why. */
export class ShellSyntaxError extends Error {
  override readonly name = 'ShellSyntaxError';
}

/** A word of a line: a command, or an argument. */
export interface Word {
  readonly start: number;
  /** Behind its last character. */
  readonly end: number;
  /** Where its `=` is; absent for a word without a value. */
  readonly equals: number | undefined;
  /** Quotes and brackets of its value are closed. */
  readonly complete: boolean;
}

const closing: Readonly<Record<string, string>> = { '{': '}', '[': ']' };
const blank = /\s/;

/** The words of a line, which may be unfinished. A value that begins with a bracket or quote goes on to the matching one. */
export function words(line: string): Word[] {
  const found: Word[] = [];
  for (let at = 0; at < line.length; ) {
    if (blank.test(line.charAt(at))) {
      at++;
      continue;
    }
    const word = wordAt(line, at);
    found.push(word);
    at = word.end;
  }
  return found;
}

function wordAt(line: string, start: number): Word {
  let end = start;
  while (end < line.length && line[end] !== '=' && !blank.test(line.charAt(end))) end++;
  if (line[end] !== '=') return { start, end, equals: undefined, complete: true };
  const equals = end;
  const closed = /["'{[]/.test(line.charAt(equals + 1)) ? jsonEnd(line, equals + 1) : equals + 1;
  if (closed === undefined) return { start, end: line.length, equals, complete: false };
  end = closed;
  while (end < line.length && !blank.test(line.charAt(end))) end++;
  return { start, end, equals, complete: true };
}

/** Behind the bracket or quote that matches the one at `start`; undefined when it is not there. */
function jsonEnd(line: string, start: number): number | undefined {
  const open: string[] = [];
  for (let at = start; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === '"' || character === "'") {
      at = quoteEnd(line, at);
    } else if (character in closing) {
      open.push(closing[character] ?? '');
    } else if (character === open.at(-1)) {
      open.pop();
    }
    if (open.length === 0) return at < line.length ? at + 1 : undefined;
  }
  return undefined;
}

/** Where the quote at `start` closes; the line's length when it does not. */
function quoteEnd(line: string, start: number): number {
  let at = start + 1;
  while (at < line.length && line[at] !== line[start]) at += line[at] === '\\' ? 2 : 1;
  return at;
}

/**
 * Reads a line: `COMMAND [KEY=VALUE]...`, or the JSON object that QMP itself takes. A key with dots is a path into nested
 * objects. A value is JSON in QEMU's dialect when it begins with `{`, `[`, `"` or `'`, or is a number, `true`, `false` or
 * `null`; else it is the text itself. Returns undefined for a blank line.
 *
 * @throws ShellSyntaxError
 */
export function parseLine(line: string): ShellRequest | undefined {
  if (/^\s*\{/.test(line)) return parseJsonLine(line);
  const [first, ...rest] = words(line);
  if (first === undefined) return undefined;
  if (first.equals !== undefined) throw new ShellSyntaxError(`'${line.slice(first.start, first.end)}' is no command`);
  const args: JsonObject = {};
  for (const word of rest) {
    const text = line.slice(word.start, word.end);
    if (word.equals === undefined) throw new ShellSyntaxError(`argument '${text}' has no value; write KEY=VALUE`);
    if (!word.complete) throw new ShellSyntaxError(`argument '${text}' is not closed`);
    place(args, line.slice(word.start, word.equals), parseValue(line.slice(word.equals + 1, word.end)));
  }
  return { command: line.slice(first.start, first.end), args, oob: false };
}

function parseJsonLine(line: string): ShellRequest {
  const message = parseJson(line);
  const request = checkEnvelope(message, true);
  if (request instanceof RequestError) throw new ShellSyntaxError(request.message);
  const id = isJsonObject(message) ? message.id : undefined;
  return id === undefined ? request : { ...request, id };
}

function parseValue(text: string): JsonValue {
  const isJson = /^(["'{[]|(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$)/.test(text);
  return isJson ? parseJson(text) : text;
}

/** Exactly one value. A second one behind it tells a whole text from one that could go on. */
function parseJson(text: string): JsonValue {
  const reader = new JsonReader();
  reader.push(Buffer.from(`${text} null\n`, 'utf8'));
  const value = reader.next();
  if (value instanceof JsonSyntaxError) throw new ShellSyntaxError(value.desc);
  if (value === undefined) throw new ShellSyntaxError(`'${text}' is not complete`);
  if (reader.next() !== null || reader.next() !== undefined) {
    throw new ShellSyntaxError(`'${text}' is more than one JSON value`);
  }
  return value;
}

/** Sets the member at a dotted path, making the objects on its way. */
function place(args: JsonObject, path: string, value: JsonValue): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  if (last === '' || keys.includes('')) throw new ShellSyntaxError(`'${path}' is no argument name`);
  let parent = args;
  for (const key of keys) {
    if (!Object.hasOwn(parent, key)) set(parent, key, {});
    const next = parent[key];
    if (!isJsonObject(next)) throw new ShellSyntaxError(`'${path}' and '${key}' cannot both be given`);
    parent = next;
  }
  if (Object.hasOwn(parent, last)) throw new ShellSyntaxError(`'${path}' is given twice`);
  set(parent, last, value);
}

/** `__proto__` is a member like any other. */
function set(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
