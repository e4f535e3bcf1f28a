/** A monitor line that is not what the command takes; the message is QEMU's, of one or more lines. */
export class HmpSyntaxError extends Error {
  override readonly name = 'HmpSyntaxError';
}

const blank = /[ \t\n\v\f\r]*/y;

/** A monitor command line and how far it is read. */
export class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The next character; empty at the end. */
  get next(): string {
    return this.text.charAt(this.at);
  }

  get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** Goes behind white space (C's isspace). */
  skipBlanks(): this {
    this.take(blank);
    return this;
  }

  /** Goes behind what the sticky `pattern` matches here and returns it; undefined when it does not match. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }
}

/** `character` as C prints a char: nothing for the end of the line. */
export function firstCharacter(text: string, at: number): string {
  const codePoint = text.codePointAt(at);
  return codePoint === undefined ? '' : String.fromCodePoint(codePoint);
}
