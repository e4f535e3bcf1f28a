import { QemuError } from '../../../system/errors.js';
import { parseUint64 } from '../../../system/numbers.js';
import type { VsockBackendPlan } from './backends.js';

/** VMADDR_PORT_ANY, 2^32 - 1, is no port. */
const VSOCK_PORT_MAX = 2 ** 32 - 2;
const TCP_PORT_MAX = 65535;
/** sizeof(sockaddr_un.sun_path), less the longest `_PORT` and a NUL. */
const PATH_MAX = 108 - '_4294967294'.length - 1;

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

/** Machine properties that choose what lies behind the vsock device, as they were written; '' is not set. */
export interface VsockProperties {
  readonly 'vsock-uds': string;
  readonly 'vsock-forward-cid': string;
  readonly 'vsock-forward-listen': string;
  readonly 'vsock-tcp-listen': string;
  readonly 'vsock-tcp-connect': string;
}

/** Each backend with its properties. */
const groups: readonly (readonly (keyof VsockProperties)[])[] = [
  ['vsock-uds'],
  ['vsock-forward-cid', 'vsock-forward-listen'],
  ['vsock-tcp-listen', 'vsock-tcp-connect'],
];

/**
 * The backend that the properties ask for, undefined for none.
 *
 * @throws QemuError when a value is wrong, or properties belong to different backends
 */
export function vsockBackendPlan(properties: VsockProperties): VsockBackendPlan | undefined {
  const used = groups
    .map((group) => group.filter((name) => properties[name] !== ''))
    .filter(({ length }) => length > 0);
  const [first, second] = used.map(([name]) => name);
  if (first === undefined) return undefined;
  if (second !== undefined) {
    throw new QemuError(`'${first}' and '${second}' cannot be used together`, {
      hint: 'A machine has one vsock backend: unix sockets, AF_VSOCK forwarding or TCP forwarding.',
    });
  }
  const read = <T>(name: keyof VsockProperties, parse: (name: string, text: string) => T, absent: T): T =>
    properties[name] === '' ? absent : parse(name, properties[name]);
  switch (first) {
    case 'vsock-uds':
      return { kind: 'unix', path: unixPath(properties[first]) };
    case 'vsock-forward-cid':
    case 'vsock-forward-listen': {
      const forwardListen = read('vsock-forward-listen', parseForwardListen, []);
      const forwardCid = read<number | undefined>('vsock-forward-cid', parseForwardCid, undefined);
      return { kind: 'vsock', forwarding: { forwardCid, forwardListen } };
    }
    default: {
      const listens = read('vsock-tcp-listen', parseTcpListen, []);
      const connects = read('vsock-tcp-connect', parseTcpConnect, new Map<number, TcpAddress>());
      return { kind: 'tcp', listens, connects };
    }
  }
}

/** Too long a path would be cut by the system, not refused. */
function unixPath(path: string): string {
  if (Buffer.byteLength(path) <= PATH_MAX) return path;
  throw new QemuError(`UNIX socket path '${path}' is too long`, {
    hint: `Path must be less than ${PATH_MAX + 1} bytes, to leave room for _PORT`,
  });
}
