import { isAscii } from 'node:buffer';
import type { JsonValue } from '../../src/system/json.js';
import { JsonLexer, Token } from './lexer.js';
import { parseOrdinary } from './ordinary.js';
import { JsonParser } from './parser.js';
import { decodeLossy } from './strings.js';

/** Bounds of one value, each with an error of its own (QEMU: qobject/json-streamer.c). */
export interface JsonLimits {
  /** Open braces and brackets. */
  readonly nesting: number;
  readonly tokens: number;
  /** Bytes of all tokens, white space not counted. */
  readonly bytes: number;
}

export const qemuLimits: JsonLimits = { nesting: 1024, tokens: 2 * 2 ** 20, bytes: 64 * 2 ** 20 };

/** A message that is not JSON; `desc` is QEMU's sentence. */
export class JsonSyntaxError {
  constructor(readonly desc: string) {}
}

/** Longer lines are read token by token; this bounds what JSON.parse may allocate before its result is judged. */
const maxOrdinaryLine = 1 << 16;
/** QEMU repeats the whole stray token, however long; this reader repeats its beginning. */
const maxStray = 1023;

/**
 * Reads a stream of JSON values from chunks of bytes. A value ends with its last token: a closing bracket, or the first
 * byte after a number or word; no newline is needed. An error drops the tokens of the value read so far; reading
 * goes on with the next token, so that the closing brackets left over from a bad value are errors again.
 */
export class JsonReader {
  readonly #limits: JsonLimits;
  readonly #lexer: JsonLexer;
  readonly #parser = new JsonParser();
  readonly #chunks: Buffer[] = [];
  #at = 0;
  // The first chunk as text when it is ASCII.
  #text: string | undefined;
  // Up to here the first chunk is read token by token, for JSON.parse did not do.
  #slowUntil = 0;
  // Of the value being read. Closing brackets can outnumber opening ones.
  #braces = 0;
  #brackets = 0;
  #tokens = 0;
  #bytes = 0;

  constructor(limits: JsonLimits = qemuLimits) {
    this.#limits = limits;
    this.#lexer = new JsonLexer(limits.bytes);
  }

  /** There are bytes that `next` has not looked at. */
  get hasInput(): boolean {
    return this.#chunks.length > 0;
  }

  /** Appends input. The bytes must not change until they are read. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (this.#chunks.length === 1) this.#begin();
  }

  /** The next value or error; undefined when the input holds no further complete one. */
  next(): JsonValue | JsonSyntaxError | undefined {
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if (this.#tokens === 0 && this.#lexer.atStart) {
        const value = this.#ordinaryLine();
        if (value !== undefined) {
          if (this.#at === chunk.length) this.#advance();
          return value;
        }
      }
      while (this.#at < chunk.length) {
        this.#at = this.#lexer.scan(chunk, this.#at);
        if (this.#lexer.token === Token.None) break;
        const message = this.#accept();
        if (message !== undefined) return message;
      }
      this.#advance();
    }
    return undefined;
  }

  #advance(): void {
    this.#chunks.shift();
    this.#begin();
  }

  #begin(): void {
    const chunk = this.#chunks[0];
    this.#at = 0;
    this.#slowUntil = 0;
    this.#text = chunk !== undefined && isAscii(chunk) ? chunk.toString('latin1') : undefined;
  }

  /** The object that is the whole rest of the line or chunk, when JSON.parse can be trusted with it. */
  #ordinaryLine(): JsonValue | undefined {
    const text = this.#text;
    if (text === undefined) return undefined;
    while (isBlank(text.charCodeAt(this.#at))) this.#at++;
    if (this.#at < this.#slowUntil) return undefined;
    const newline = text.indexOf('\n', this.#at);
    const end = newline < 0 ? text.length : newline;
    const last = text.charCodeAt(end - 1) === 0x0d ? end - 1 : end;
    this.#slowUntil = end;
    if (text.charCodeAt(last - 1) !== 0x7d || text.charCodeAt(this.#at) !== 0x7b) return undefined;
    const length = last - this.#at;
    if (length > maxOrdinaryLine || length > this.#limits.tokens || length > this.#limits.bytes) return undefined;
    const value = parseOrdinary(text.slice(this.#at, last), this.#limits.nesting);
    if (value !== undefined) this.#at = newline < 0 ? end : end + 1;
    return value;
  }

  /** Takes the lexer's token; returns the value or error that it completes. */
  #accept(): JsonValue | JsonSyntaxError | undefined {
    const lexer = this.#lexer;
    switch (lexer.token) {
      case Token.LeftBrace:
        this.#braces++;
        break;
      case Token.RightBrace:
        this.#braces--;
        break;
      case Token.LeftBracket:
        this.#brackets++;
        break;
      case Token.RightBracket:
        this.#brackets--;
        break;
      case Token.Error:
        return this.#end(`JSON parse error, stray '${decodeLossy(lexer.bytes().subarray(0, maxStray))}'`);
    }
    if (this.#bytes + lexer.length + 1 > this.#limits.bytes) return this.#end('JSON token size limit exceeded');
    if (this.#tokens + 1 > this.#limits.tokens) return this.#end('JSON token count limit exceeded');
    if (this.#braces + this.#brackets > this.#limits.nesting) return this.#end('JSON nesting depth limit exceeded');
    this.#bytes += lexer.length;
    this.#tokens++;
    this.#parser.accept(lexer);
    const open = (this.#braces > 0 || this.#brackets > 0) && this.#braces >= 0 && this.#brackets >= 0;
    return open ? undefined : this.#end(this.#parser.error);
  }

  #end(error: string | undefined): JsonValue | JsonSyntaxError {
    const message = error === undefined ? this.#parser.value : new JsonSyntaxError(error);
    this.#parser.reset();
    this.#braces = 0;
    this.#brackets = 0;
    this.#tokens = 0;
    this.#bytes = 0;
    return message;
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
