import { firstCharacter, HmpSyntaxError, type Scanner } from './scanner.js';

/** The value of a `$NAME` (a register), 64 bits; undefined when there is none of that name. */
export type RegisterLookup = (name: string) => bigint | undefined;

const maxNesting = 256;
const maxUint64 = 2n ** 64n - 1n;

/**
 * The expression where `scanner` stands: 64-bit integers of C syntax, 'c' characters, $registers, unary + - ~,
 * parentheses; `* / %` bind tighter than `& | ^`, and those tighter than `+ -` (QEMU: monitor/hmp.c). Blanks may stand
 * between all of them. Results wrap to int64.
 *
 * @throws HmpSyntaxError with QEMU's sentence
 */
export function readExpression(scanner: Scanner, register: RegisterLookup): bigint {
  return new Expression(scanner, register).sum();
}

class Expression {
  readonly #scanner: Scanner;
  readonly #register: RegisterLookup;
  #nesting = 0;

  constructor(scanner: Scanner, register: RegisterLookup) {
    this.#scanner = scanner;
    this.#register = register;
  }

  sum(): bigint {
    return this.#chain('+-', () => this.#logic());
  }

  #logic(): bigint {
    return this.#chain('&|^', () => this.#product());
  }

  #product(): bigint {
    return this.#chain('*/%', () => this.#unary());
  }

  /** Operands joined by `operators`, from left to right. */
  #chain(operators: string, operand: () => bigint): bigint {
    let value = operand();
    for (;;) {
      const operator = this.#scanner.next;
      if (operator === '' || !operators.includes(operator)) return value;
      this.#step();
      value = BigInt.asIntN(64, apply(operator, value, operand()));
    }
  }

  /** Goes behind one character and the blanks that follow. */
  #step(): void {
    this.#scanner.at++;
    this.#scanner.skipBlanks();
  }

  #unary(): bigint {
    if (++this.#nesting > maxNesting) throw new HmpSyntaxError('expression too deep');
    const value = this.#primary();
    this.#nesting--;
    return value;
  }

  #primary(): bigint {
    const scanner = this.#scanner;
    const first = scanner.next;
    switch (first) {
      case '':
        throw new HmpSyntaxError('unexpected end of expression');
      case '+':
        this.#step();
        return this.#unary();
      case '-':
        this.#step();
        return BigInt.asIntN(64, -this.#unary());
      case '~':
        this.#step();
        return ~this.#unary();
      case '(': {
        this.#step();
        const value = this.sum();
        if (scanner.next !== ')') throw new HmpSyntaxError("')' expected");
        this.#step();
        return value;
      }
      case "'":
        return this.#character();
      case '$': {
        scanner.at++;
        const value = this.#register(scanner.take(/[a-zA-Z0-9_.]*/y) ?? '');
        scanner.skipBlanks();
        if (value === undefined) throw new HmpSyntaxError('unknown register');
        return BigInt.asIntN(64, value);
      }
      default:
        return this.#number();
    }
  }

  #character(): bigint {
    const scanner = this.#scanner;
    scanner.at++;
    const codePoint = scanner.text.codePointAt(scanner.at);
    if (codePoint === undefined) throw new HmpSyntaxError('character constant expected');
    scanner.at += codePoint > 0xffff ? 2 : 1;
    if (scanner.next !== "'") throw new HmpSyntaxError("missing terminating ' character");
    this.#step();
    return BigInt(codePoint);
  }

  /** strtoull with base 0. */
  #number(): bigint {
    const scanner = this.#scanner;
    const text = scanner.take(/0[xX][0-9a-fA-F]+|[0-9]+/y);
    if (text === undefined) {
      throw new HmpSyntaxError(`invalid char '${firstCharacter(scanner.text, scanner.at)}' in expression`);
    }
    let literal = text;
    if (/^0[0-9]/.test(text)) {
      // Octal ends before an 8 or 9.
      const octal = /^0[0-7]*/.exec(text)?.[0] ?? '';
      scanner.at -= text.length - octal.length;
      literal = `0o${octal}`;
    }
    const significant = literal.replace(/^0[xo]?0*/i, '');
    const value = significant.length > 22 ? undefined : BigInt(literal);
    if (value === undefined || value > maxUint64) throw new HmpSyntaxError('number too large');
    scanner.skipBlanks();
    return BigInt.asIntN(64, value);
  }
}

function apply(operator: string, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '&':
      return left & right;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    default:
      if (right === 0n) throw new HmpSyntaxError('division by zero');
      return operator === '/' ? left / right : left % right;
  }
}
