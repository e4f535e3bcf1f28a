/**
 * QEMU's JSON tokens from chunks of bytes cut anywhere. The dialect is JSON plus single-quoted strings; letters outside
 * a-z start nothing, digits after a leading zero are an error, and a byte that fits nowhere makes an Error token and
 * skips to the next structural character or control character other than tab, or to 0xFE and 0xFF, which no UTF-8 text
 * contains, so that a client can use them to start afresh (docs/interop/qmp-spec; qobject/json-lexer.c).
 */

export const Token = {
  /** The chunk ended first. */
  None: 0,
  LeftBrace: 32,
  RightBrace: 33,
  LeftBracket: 34,
  RightBracket: 35,
  Colon: 36,
  Comma: 37,
  Integer: 38,
  Float: 39,
  Keyword: 40,
  String: 41,
  /** Bytes that begin no token; the last one is the culprit. */
  Error: 42,
  /** A token longer than the limit, given up in its middle. */
  Oversize: 43,
} as const;
export type Token = (typeof Token)[keyof typeof Token];

const State = {
  Start: 0,
  Recovery: 1,
  DoubleQuoted: 2,
  DoubleQuotedEscape: 3,
  SingleQuoted: 4,
  SingleQuotedEscape: 5,
  Minus: 6,
  Zero: 7,
  Digits: 8,
  Point: 9,
  Fraction: 10,
  Exponent: 11,
  ExponentSign: 12,
  ExponentDigits: 13,
  Keyword: 14,
} as const;

/** The byte that ends a token or the recovery belongs to what follows. */
const lookahead = 0x80;

/** For each state and byte: the next state, or the token that is complete. */
const transitions = new Uint8Array(15 * 256).fill(Token.Error);

function on(state: number, bytes: string, next: number): void {
  for (const char of bytes) transitions[state * 256 + char.charCodeAt(0)] = next;
}

function onRange(state: number, first: number, last: number, next: number): void {
  transitions.fill(next, state * 256 + first, state * 256 + last + 1);
}

const digits = '0123456789';
const letters = 'abcdefghijklmnopqrstuvwxyz';
const structure = '{}[]:,';

onRange(State.Recovery, 0x00, 0xff, State.Start | lookahead);
onRange(State.Recovery, 0x20, 0xfd, State.Recovery);
on(State.Recovery, '\t', State.Recovery);
on(State.Recovery, structure, State.Start | lookahead);

for (const [inside, escaped, quote] of [
  [State.DoubleQuoted, State.DoubleQuotedEscape, '"'],
  [State.SingleQuoted, State.SingleQuotedEscape, "'"],
] as const) {
  onRange(inside, 0x20, 0xfd, inside);
  on(inside, '\\', escaped);
  on(inside, quote, Token.String);
  onRange(escaped, 0x20, 0xfd, inside);
  on(State.Start, quote, inside);
}

onRange(State.Zero, 0x00, 0xff, Token.Integer | lookahead);
on(State.Zero, digits, Token.Error);
on(State.Zero, '.', State.Point);
onRange(State.Digits, 0x00, 0xff, Token.Integer | lookahead);
on(State.Digits, digits, State.Digits);
on(State.Digits, '.', State.Point);
on(State.Digits, 'eE', State.Exponent);
on(State.Point, digits, State.Fraction);
onRange(State.Fraction, 0x00, 0xff, Token.Float | lookahead);
on(State.Fraction, digits, State.Fraction);
on(State.Fraction, 'eE', State.Exponent);
on(State.Exponent, '+-', State.ExponentSign);
on(State.Exponent, digits, State.ExponentDigits);
on(State.ExponentSign, digits, State.ExponentDigits);
onRange(State.ExponentDigits, 0x00, 0xff, Token.Float | lookahead);
on(State.ExponentDigits, digits, State.ExponentDigits);
for (const state of [State.Minus, State.Start]) {
  on(state, digits, State.Digits);
  on(state, '0', State.Zero);
}
on(State.Start, '-', State.Minus);

onRange(State.Keyword, 0x00, 0xff, Token.Keyword | lookahead);
on(State.Keyword, letters, State.Keyword);
on(State.Start, letters, State.Keyword);
on(State.Start, ' \t\r\n', State.Start);
for (const [i, char] of [...structure].entries()) on(State.Start, char, Token.LeftBrace + i);

/** A token of up to this many bytes may stay allocated between tokens. */
const keptCapacity = 1 << 16;

export class JsonLexer {
  /** The token that the last `scan` completed. */
  token: Token = Token.None;
  readonly #maxTokenSize: number;
  #state: number = State.Start;
  // The part of a token that earlier chunks held.
  #held: Buffer = Buffer.alloc(0);
  #heldLength = 0;
  // Where the completed token's bytes are.
  #source: Buffer = this.#held;
  #from = 0;
  #to = 0;

  /** @param maxTokenSize bytes after which an unfinished token is given up */
  constructor(maxTokenSize: number) {
    this.#maxTokenSize = maxTokenSize;
  }

  /** No token is begun and no error is being skipped. */
  get atStart(): boolean {
    return this.#state === State.Start;
  }

  /** Bytes of the completed token, quotes included. Valid until the next `scan`. */
  get length(): number {
    return this.#to - this.#from;
  }

  /** The completed token's bytes. Valid until the next `scan`. */
  bytes(): Buffer {
    return this.#source.subarray(this.#from, this.#to);
  }

  /** The completed token, one character a byte. */
  latin1(): string {
    return this.#source.toString('latin1', this.#from, this.#to);
  }

  /**
   * Reads `chunk` from `from` up to the end of the next token and puts it into `token`, or `Token.None` when the chunk
   * ended first.
   *
   * @returns where to go on
   */
  scan(chunk: Buffer, from: number): number {
    let state = this.#state;
    let begin = from;
    let room = this.#maxTokenSize - this.#heldLength;
    let i = from;
    while (i < chunk.length) {
      const next = transitions[(state << 8) | (chunk[i] as number)] as number;
      if (next === state) {
        i++;
      } else if (next === (State.Start | lookahead)) {
        state = State.Start;
      } else {
        if (state === State.Start) {
          begin = i;
          room = this.#maxTokenSize;
        }
        if (next >= Token.LeftBrace) {
          const end = (next & lookahead) === 0 ? i + 1 : i;
          return this.#complete((next & ~lookahead) as Token, chunk, begin, end);
        }
        state = next;
        i++;
      }
      if (i - begin > room && state > State.Recovery) return this.#complete(Token.Oversize, chunk, begin, i);
    }
    this.#state = state;
    this.token = Token.None;
    if (state > State.Recovery) this.#hold(chunk, begin, i);
    return i;
  }

  #complete(token: Token, chunk: Buffer, begin: number, end: number): number {
    if (this.#heldLength > 0) {
      this.#hold(chunk, begin, end);
      this.#source = this.#held;
      this.#from = 0;
      this.#to = this.#heldLength;
      this.#heldLength = 0;
      if (this.#held.length > keptCapacity) this.#held = Buffer.alloc(0);
    } else {
      this.#source = chunk;
      this.#from = begin;
      this.#to = end;
    }
    this.token = token;
    this.#state = token === Token.Error ? State.Recovery : State.Start;
    return end;
  }

  #hold(chunk: Buffer, begin: number, end: number): void {
    const length = this.#heldLength + end - begin;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(256, length, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldLength, begin, end);
    this.#heldLength = length;
  }
}
