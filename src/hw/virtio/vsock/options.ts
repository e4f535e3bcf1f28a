import { QemuError } from '../../../system/errors.js';
import { parseUint64 } from '../../../system/numbers.js';

/** VMADDR_PORT_ANY, 2^32 - 1, is no port. */
const VSOCK_PORT_MAX = 2 ** 32 - 2;
const TCP_PORT_MAX = 65535;

export interface TcpAddress {
  /** Name or address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

export interface TcpListen extends TcpAddress {
  /** Where connections to the address go. */
  readonly guestPort: number;
}

/** Reads the value of one machine property; `name` is the property's, for errors. */
class ValueReader {
  readonly #name: string;
  readonly #form: string;

  constructor(name: string, form: string) {
    this.#name = name;
    this.#form = form;
  }

  fail(why: string): QemuError {
    return new QemuError(`Parameter '${this.#name}' expects ${this.#form}`, { hint: why });
  }

  number(text: string, what: string, min: number, max: number): number {
    const value = parseUint64(text);
    if (typeof value !== 'bigint' || value < BigInt(min) || value > BigInt(max)) {
      throw this.fail(`'${text}' is not a ${what}: ${min} to ${max}.`);
    }
    return Number(value);
  }

  guestPort(text: string): number {
    return this.number(text, 'vsock port', 0, VSOCK_PORT_MAX);
  }

  /** `HOST:PORT`, an IPv6 address in brackets. */
  address(text: string): TcpAddress {
    const [, bracketed, plain, port] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([^:]*)$/.exec(text) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined || port === undefined) throw this.fail(`'${text}' is not an address like 127.0.0.1:8080.`);
    return { host, port: this.number(port, 'TCP port', 1, TCP_PORT_MAX) };
  }

  /** Parts between `+`, each read by `read`; `key` of each must differ. */
  list<T>(text: string, read: (part: string) => T, key: (value: T) => string | number): T[] {
    const seen = new Set<string | number>();
    return text.split('+').map((part) => {
      const value = read(part);
      if (seen.has(key(value))) throw this.fail(`'${part}' repeats ${key(value)}.`);
      seen.add(key(value));
      return value;
    });
  }
}

/**
 * `PORT[+PORT...]`: vsock ports (vhost-device-vsock's --forward-listen).
 *
 * @throws QemuError naming the part that is wrong; the same holds for the other readers
 */
export function parseForwardListen(name: string, text: string): number[] {
  const reader = new ValueReader(name, 'PORT[+PORT...]');
  return reader.list(
    text,
    (part) => reader.guestPort(part),
    (port) => port,
  );
}

/** The CID of a host's end: 0 to 2^32 - 2. */
export function parseForwardCid(name: string, text: string): number {
  return new ValueReader(name, 'a CID').number(text, 'CID', 0, 2 ** 32 - 2);
}

/** `HOST:PORT-GUESTPORT[+...]`: where the host listens, and the guest port each goes to. */
export function parseTcpListen(name: string, text: string): TcpListen[] {
  const reader = new ValueReader(name, 'HOST:PORT-GUESTPORT[+...]');
  const read = (part: string): TcpListen => {
    const dash = part.lastIndexOf('-');
    if (dash < 0) throw reader.fail(`'${part}' names no guest port.`);
    return { ...reader.address(part.slice(0, dash)), guestPort: reader.guestPort(part.slice(dash + 1)) };
  };
  return reader.list(text, read, ({ host, port }) => `${host}:${port}`);
}

/** `GUESTPORT-HOST:PORT[+...]`: where connections of the guest to each port go. */
export function parseTcpConnect(name: string, text: string): Map<number, TcpAddress> {
  const reader = new ValueReader(name, 'GUESTPORT-HOST:PORT[+...]');
  const read = (part: string): [number, TcpAddress] => {
    const dash = part.indexOf('-');
    if (dash < 0) throw reader.fail(`'${part}' names no address.`);
    return [reader.guestPort(part.slice(0, dash)), reader.address(part.slice(dash + 1))];
  };
  return new Map(reader.list(text, read, ([port]) => port));
}
