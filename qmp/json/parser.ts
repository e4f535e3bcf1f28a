import { float, type JsonObject, type JsonValue } from '../../src/system/json.js';
import { type JsonLexer, Token } from './lexer.js';
import { decodeString } from './strings.js';

/** What an open container takes next. */
const Expect = {
  /** After `[`. */
  ElementOrEnd: 0,
  Element: 1,
  CommaOrBracket: 2,
  /** After `{`. */
  KeyOrEnd: 3,
  Key: 4,
  Colon: 5,
  Member: 6,
  CommaOrBrace: 7,
} as const;
type Expect = (typeof Expect)[keyof typeof Expect];

interface OpenContainer {
  readonly container: JsonValue[] | JsonObject;
  expect: Expect;
  key: string;
}

const keywords: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ['null', null],
  ['true', true],
  ['false', false],
]);

/** QEMU formats the sentence into a buffer of this size, less its NUL (qobject/json-parser.c). */
const maxSentence = 1023;

/**
 * Builds one value from its tokens, one at a time. The first error stands; what follows it up to the end of the value
 * is ignored. Values are built as the tokens come, because a queue of 2 Mi tokens would be ten times as large.
 */
export class JsonParser {
  /** The complete value, once the reader has seen its last token and `error` is undefined. */
  value: JsonValue = null;
  /** `JSON parse error, ...`, at most 1023 characters. */
  error: string | undefined;
  readonly #open: OpenContainer[] = [];

  readonly #fail = (why: string): void => {
    this.error ??= `JSON parse error, ${why}`.slice(0, maxSentence);
    this.#open.length = 0;
    this.value = null;
  };

  /** Forgets everything. */
  reset(): void {
    this.#open.length = 0;
    this.value = null;
    this.error = undefined;
  }

  /** Takes the token that `lexer` has just completed. */
  accept(lexer: JsonLexer): void {
    if (this.error !== undefined) return;
    const top = this.#open.at(-1);
    switch (lexer.token) {
      case Token.Comma:
        if (top?.expect === Expect.CommaOrBracket) top.expect = Expect.Element;
        else if (top?.expect === Expect.CommaOrBrace) top.expect = Expect.Key;
        else this.#unexpected(top);
        break;
      case Token.Colon:
        if (top?.expect === Expect.Colon) top.expect = Expect.Member;
        else this.#unexpected(top);
        break;
      case Token.RightBracket:
        if (top?.expect === Expect.CommaOrBracket || top?.expect === Expect.ElementOrEnd) this.#close(top);
        else this.#unexpected(top);
        break;
      case Token.RightBrace:
        if (top?.expect === Expect.CommaOrBrace || top?.expect === Expect.KeyOrEnd) this.#close(top);
        else this.#unexpected(top);
        break;
      default:
        if (wantsValue(top)) this.#startValue(lexer, top);
        else this.#unexpected(top);
    }
  }

  #startValue(lexer: JsonLexer, top: OpenContainer | undefined): void {
    switch (lexer.token) {
      case Token.LeftBrace:
        this.#open.push({ container: {}, expect: Expect.KeyOrEnd, key: '' });
        return;
      case Token.LeftBracket:
        this.#open.push({ container: [], expect: Expect.ElementOrEnd, key: '' });
        return;
      case Token.Integer:
        this.#add(integer(lexer.latin1()), top);
        return;
      case Token.Float:
        this.#add(float(Number(lexer.latin1())), top);
        return;
      case Token.Keyword: {
        const word = lexer.latin1();
        const value = keywords.get(word);
        if (value === undefined) this.#fail(`invalid keyword '${word}'`);
        else this.#add(value, top);
        return;
      }
      default: {
        const text = this.#string(lexer);
        if (text !== undefined) this.#add(text, top);
      }
    }
  }

  #string(lexer: JsonLexer): string | undefined {
    const text = lexer.latin1();
    return /[\\\x80-\xff]/.test(text) ? decodeString(lexer.bytes(), this.#fail) : text.slice(1, -1);
  }

  /** Puts a complete value where `top` wants one. */
  #add(value: JsonValue, top: OpenContainer | undefined): void {
    if (top === undefined) {
      this.value = value;
    } else if (Array.isArray(top.container)) {
      top.container.push(value);
      top.expect = Expect.CommaOrBracket;
    } else if (top.expect === Expect.Member) {
      if (Object.hasOwn(top.container, top.key)) {
        this.#fail('duplicate key');
      } else {
        setMember(top.container, top.key, value);
        top.expect = Expect.CommaOrBrace;
      }
    } else if (typeof value === 'string') {
      top.key = value;
      top.expect = Expect.Colon;
    } else {
      this.#fail('key is not a string in object');
    }
  }

  #close(top: OpenContainer): void {
    this.#open.pop();
    this.#add(top.container, this.#open.at(-1));
  }

  #unexpected(top: OpenContainer | undefined): void {
    if (top?.expect === Expect.CommaOrBracket) this.#fail('expected separator in list');
    else if (top?.expect === Expect.CommaOrBrace) this.#fail('expected separator in dict');
    else if (top?.expect === Expect.Colon) this.#fail('missing : in object pair');
    else this.#fail('expecting value');
  }
}

/** A key is read as any value is; that it must be a string is checked when it is complete. */
function wantsValue(top: OpenContainer | undefined): boolean {
  return (
    top === undefined ||
    (top.expect !== Expect.CommaOrBracket && top.expect !== Expect.CommaOrBrace && top.expect !== Expect.Colon)
  );
}

function setMember(object: JsonObject, key: string, value: JsonValue): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** An integer literal: int64 if it fits, else uint64, else double. */
function integer(text: string): JsonValue {
  const near = Number(text);
  // Adding 0 makes 0 of -0.
  if (Number.isSafeInteger(near)) return near + 0;
  // 64 bits have at most 20 characters; long literals would be slow to convert exactly.
  if (text.length > 20) return float(near);
  const exact = BigInt(text);
  return exact >= -(2n ** 63n) && exact < 2n ** 64n ? exact : float(near);
}
