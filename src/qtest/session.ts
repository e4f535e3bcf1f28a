import { parseInteger, parseUint64 } from '../system/numbers.js';
import type { QtestTarget } from './target.js';

/** Bytes that one command may read or write; QEMU has no limit. */
export const LENGTH_LIMIT = 16 * 1024 * 1024;
/** A line of a command that writes as much, in hexadecimal. */
export const LINE_LIMIT = 2 * LENGTH_LIMIT + 256;

/** An answer instead of what was asked for. */
class Refusal extends Error {}

const BAD_SIZE = 'ERR invalid argument size';
const OK = 'OK';

type Handler = (args: readonly string[]) => Promise<string>;

const sizes = { b: 1, w: 2, l: 4, q: 8 } as const;

/**
 * The commands of QEMU's test protocol (docs/devel/testing/qtest.rst, system/qtest.c): a line in, a line out. Where QEMU
 * ends with a failed assertion, the answer is `FAIL` and why.
 */
export class QtestSession {
  readonly #target: QtestTarget;
  readonly #handlers: ReadonlyMap<string, Handler>;
  #watched: string | undefined;

  constructor(target: QtestTarget) {
    this.#target = target;
    this.#handlers = new Map<string, Handler>([
      ...(['b', 'w', 'l'] as const).flatMap((letter) => this.#portCommands(letter)),
      ...(['b', 'w', 'l', 'q'] as const).flatMap((letter) => this.#memoryCommands(letter)),
      ['read', (args) => this.#read(args, (data) => `0x${data.toString('hex')}`)],
      ['b64read', (args) => this.#read(args, (data) => data.toString('base64'))],
      ['write', (args) => this.#writeHex(args)],
      ['b64write', (args) => this.#writeBase64(args)],
      ['memset', (args) => this.#memset(args)],
      ['endianness', async () => `${OK} little`],
      ['clock_step', ([text]) => this.#clockStep(text)],
      ['clock_set', async ([text]) => `${OK} ${await target.setClock(time(text))}`],
      ['irq_intercept_in', ([path]) => this.#intercept(path)],
      ['set_irq_in', (args) => this.#setLine(args)],
    ]);
  }

  /** @param line without its newline. @returns the answer without a newline */
  async execute(line: string): Promise<string> {
    const [command = '', ...args] = line.split(' ');
    const handler = this.#handlers.get(command);
    if (handler === undefined) return `FAIL Unknown command '${command}'`;
    try {
      return await handler(args);
    } catch (error) {
      if (error instanceof Refusal) return error.message;
      throw error;
    }
  }

  #portCommands(letter: 'b' | 'w' | 'l'): [string, Handler][] {
    const size = sizes[letter];
    return [
      [
        `in${letter}`,
        async ([port]) => {
          const value = await this.#target.readPort(portNumber(port), size);
          return `${OK} 0x${value.toString(16).padStart(4, '0')}`;
        },
      ],
      [
        `out${letter}`,
        async ([port, value]) => {
          const masked = Number(BigInt.asUintN(8 * size, integer(value)));
          await this.#target.writePort(portNumber(port), size, masked);
          return OK;
        },
      ],
    ];
  }

  #memoryCommands(letter: 'b' | 'w' | 'l' | 'q'): [string, Handler][] {
    const size = sizes[letter];
    return [
      [
        `read${letter}`,
        async ([address]) => {
          const data = await this.#target.readMemory(Number(integer(address)), size);
          return `${OK} 0x${Buffer.from(data).reverse().toString('hex').padStart(16, '0')}`;
        },
      ],
      [
        `write${letter}`,
        async ([address, value]) => {
          const data = new BigUint64Array([integer(value)]);
          await this.#target.writeMemory(Number(integer(address)), new Uint8Array(data.buffer, 0, size));
          return OK;
        },
      ],
    ];
  }

  async #read([address, size]: readonly string[], encode: (data: Buffer) => string): Promise<string> {
    const data = await this.#target.readMemory(Number(integer(address)), length(size));
    return `${OK} ${encode(Buffer.from(data))}`;
  }

  /** Hexadecimal digits after `0x`; what is missing at the end is zero, what is no digit counts as ones. */
  async #writeHex([address, size, text]: readonly string[]): Promise<string> {
    const bytes = new Uint8Array(length(size));
    const digits = data(text).slice(2);
    for (let i = 0; i < Math.min(bytes.length, digits.length >> 1); i++) {
      bytes[i] = (hexDigit(digits[2 * i]) << 4) | hexDigit(digits[2 * i + 1]);
    }
    await this.#target.writeMemory(Number(integer(address)), bytes);
    return OK;
  }

  async #writeBase64([address, size, text]: readonly string[]): Promise<string> {
    const bytes = Buffer.from(data(text), 'base64').subarray(0, length(size));
    await this.#target.writeMemory(Number(integer(address)), bytes);
    return OK;
  }

  async #memset([address, size, value]: readonly string[]): Promise<string> {
    const bytes = new Uint8Array(length(size)).fill(Number(BigInt.asUintN(8, integer(value))));
    await this.#target.writeMemory(Number(integer(address)), bytes);
    return OK;
  }

  async #clockStep(text: string | undefined): Promise<string> {
    return `${OK} ${await this.#target.stepClock(text === undefined ? undefined : time(text))}`;
  }

  async #intercept(path: string | undefined): Promise<string> {
    const device = argument(path);
    if (this.#watched !== undefined) return this.#watched === device ? OK : 'FAIL IRQ intercept already enabled';
    if (!(await this.#target.watch(device))) return 'FAIL Unknown device';
    this.#watched = device;
    return OK;
  }

  /** The name of the list of pins is there to be compatible: devices here have one list of inputs. */
  async #setLine([path, list, pin, level]: readonly string[]): Promise<string> {
    argument(list);
    const on = integer(level) !== 0n;
    const known = await this.#target.setLine(argument(path), Number(integer(pin)), on);
    return known ? OK : 'FAIL Unknown device';
  }
}

function argument(text: string | undefined): string {
  if (text === undefined) throw new Refusal('FAIL missing argument');
  return text;
}

/** 64 bits, as strtoul with base 0 takes them. */
function integer(text: string | undefined): bigint {
  const value = parseUint64(argument(text));
  if (typeof value !== 'bigint') throw new Refusal(`FAIL invalid argument '${text}'`);
  return value;
}

function portNumber(text: string | undefined): number {
  const port = integer(text);
  if (port > 0xffffn) throw new Refusal(`FAIL invalid argument '${text}'`);
  return Number(port);
}

/** Nanoseconds, exact as a number. */
function time(text: string | undefined): number {
  const value = Number(parseInteger(argument(text)) ?? Number.NaN);
  if (!Number.isSafeInteger(value)) throw new Refusal(`FAIL invalid argument '${text}'`);
  return value;
}

function length(text: string | undefined): number {
  const value = integer(text);
  if (value > BigInt(LENGTH_LIMIT)) throw new Refusal(BAD_SIZE);
  return Number(value);
}

/** The data of a command that writes: QEMU wants three characters at least. */
function data(text: string | undefined): string {
  const value = argument(text);
  if (value.length < 3) throw new Refusal(BAD_SIZE);
  return value;
}

function hexDigit(digit: string | undefined): number {
  const value = Number.parseInt(digit ?? '', 16);
  return Number.isNaN(value) ? -1 : value;
}
