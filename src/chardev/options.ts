import { QemuError } from '../system/errors.js';
import { int64 } from '../system/json.js';
import { parseBool, parseInteger, parseSize } from '../system/numbers.js';
import type { System } from '../system/system.js';
import type { BackendData, BackendKind, ChardevBackend, SocketAddressLegacy } from './backend.js';
import type { Chardev } from './chardev.js';
import { type AddOptions, addChardev, checkBackendKind, removeChardev } from './create.js';

/** The keys and values of one -chardev, without its id; values have passed the check of their types. */
type Options = Readonly<Record<string, string>>;

/** Reads single options; what is absent stays absent. */
class Reader {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  text(key: string): string | undefined {
    return this.#options[key];
  }

  bool(key: string): boolean | undefined {
    const text = this.#options[key];
    if (text === undefined) return undefined;
    const value = parseBool(text);
    if (value === undefined) throw new QemuError(`Parameter '${key}' expects 'on' or 'off'`);
    return value;
  }

  number(key: string): number | undefined {
    const text = this.#options[key];
    if (text === undefined) return undefined;
    const value = parseInteger(text);
    if (value === undefined) throw new QemuError(`Parameter '${key}' expects a number`);
    return Number(value);
  }

  /** The given keys that are there, under the same names. */
  numbers<K extends string>(...names: K[]): { [N in K]?: number } {
    return present(names, (name) => this.number(name));
  }

  sizes<K extends string>(...names: K[]): { [N in K]?: number } {
    return present(names, (name) => {
      const text = this.text(name);
      return text === undefined ? undefined : Number(parseSize(text));
    });
  }

  /** Items separated by semicolons. */
  lists<K extends string>(...names: K[]): { [N in K]?: string[] } {
    return present(names, (name) =>
      this.text(name)
        ?.split(';')
        .filter((item) => item !== ''),
    );
  }

  bools<K extends string>(...names: K[]): { [N in K]?: boolean } {
    return present(names, (name) => this.bool(name));
  }

  texts<K extends string>(...names: K[]): { [N in K]?: string } {
    return present(names, (name) => this.text(name));
  }

  common() {
    return { ...this.texts('logfile'), ...this.bools('logappend', 'logtimestamp') };
  }
}

function present<K extends string, T>(names: readonly K[], read: (name: K) => T | undefined): { [N in K]?: T } {
  const found: { [N in K]?: T } = {};
  for (const name of names) {
    const value = read(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

type Readers = { [K in BackendKind]: (options: Reader) => BackendData[K] };

function required(options: Reader, key: string, sentence: string): string {
  const text = options.text(key);
  if (text === undefined) throw new QemuError(`chardev: ${sentence}`);
  return text;
}

const vcData = (options: Reader): BackendData['vc'] => ({
  ...options.common(),
  ...options.numbers('width', 'height', 'cols', 'rows'),
});

function ringbufData(options: Reader): BackendData['ringbuf'] {
  const text = options.text('size');
  const size = text === undefined ? undefined : parseSize(text);
  return { ...options.common(), ...(size === undefined ? {} : { size: int64(size) }) };
}

const readers: Readers = {
  file: (options) => {
    const from = options.text('input-path');
    return {
      ...options.common(),
      out: required(options, 'path', 'file: no filename given'),
      ...(from === undefined ? {} : { in: from }),
      ...options.bools('append'),
    };
  },
  serial: (options) => ({
    ...options.common(),
    device: required(options, 'path', 'serial/tty: no device path given'),
  }),
  pipe: (options) => ({ ...options.common(), device: required(options, 'path', 'pipe: no device path given') }),
  socket: socketData,
  udp: udpData,
  pty: (options) => ({ ...options.common(), ...options.texts('path') }),
  null: (options) => options.common(),
  mux: (options) => ({ ...options.common(), chardev: required(options, 'chardev', 'mux: no chardev given') }),
  hub: (options) => ({
    ...options.common(),
    chardevs: Object.values(options.texts('chardevs.0', 'chardevs.1', 'chardevs.2', 'chardevs.3')),
  }),
  stdio: (options) => ({ ...options.common(), ...options.bools('signal') }),
  vc: vcData,
  ringbuf: ringbufData,
  memory: ringbufData,
};

function socketData(options: Reader): BackendData['socket'] {
  const [path, host, fd] = [options.text('path'), options.text('host'), options.text('fd')];
  const cid = options.text('x-cid');
  if ([path, host, fd, cid].filter((given) => given !== undefined).length > 1) {
    throw new QemuError("None or one of 'path', 'fd' or 'host' option required.");
  }
  const port = options.text('port');
  if ((host ?? cid) !== undefined && port === undefined) throw new QemuError('chardev: socket: no port given');
  const [delay, nodelay] = [options.bool('delay'), options.bool('nodelay')];
  if (delay !== undefined && nodelay !== undefined) {
    throw new QemuError("'delay' and 'nodelay' are mutually exclusive");
  }
  let addr: SocketAddressLegacy;
  if (path !== undefined) {
    addr = {
      type: 'unix',
      data: { path, abstract: options.bool('abstract') ?? false, tight: options.bool('tight') ?? true },
    };
  } else if (host !== undefined && port !== undefined) {
    addr = { type: 'inet', data: { host, port, ...options.numbers('to'), ...options.bools('ipv4', 'ipv6') } };
  } else if (cid !== undefined && port !== undefined) {
    addr = { type: 'vsock', data: { cid, port } };
  } else {
    addr = { type: 'fd', data: { str: fd ?? '' } };
  }
  return {
    ...options.common(),
    addr,
    server: options.bool('server') ?? false,
    nodelay: nodelay ?? delay === false,
    ...options.bools('wait', 'telnet', 'tn3270', 'websocket'),
    ...options.numbers('reconnect-ms', 'x-clients', 'x-handshake-timeout-ms', 'x-silence-ms'),
    ...options.texts('tls-creds', 'tls-authz', 'x-token-file', 'x-token-secret'),
    ...options.sizes('x-max-message'),
    ...options.lists('x-origins'),
  };
}

function udpData(options: Reader): BackendData['udp'] {
  const port = options.text('port') || undefined;
  if (port === undefined) throw new QemuError('chardev: udp: remote port not specified');
  const [localaddr, localport] = [options.text('localaddr') || undefined, options.text('localport') || undefined];
  const remote: SocketAddressLegacy = {
    type: 'inet',
    data: { host: options.text('host') || 'localhost', port, ...options.bools('ipv4', 'ipv6') },
  };
  if (localaddr === undefined && localport === undefined) return { ...options.common(), remote };
  const local: SocketAddressLegacy = { type: 'inet', data: { host: localaddr ?? '', port: localport ?? '0' } };
  return { ...options.common(), remote, local };
}

/** What -chardev asks for. @param id for the error text @throws QemuError with QEMU's sentence */
export function parseBackend(id: string, options: Options): ChardevBackend {
  const kind = options.backend;
  if (kind === undefined) throw new QemuError(`chardev: "${id}" missing backend`);
  checkBackendKind(kind);
  return { type: kind, data: readers[kind](new Reader(options)) } as ChardevBackend;
}

/**
 * Makes the chardev of one -chardev. With `mux=on` the backend gets the id `ID-base`, and ID is a multiplexer on it.
 *
 * @throws QemuError with QEMU's sentence
 */
export async function chardevFromOptions(
  system: System,
  id: string | undefined,
  options: Options,
  add: AddOptions = {},
): Promise<Chardev> {
  if (id === undefined) throw new QemuError('chardev: no id specified');
  const backend = { ...parseBackend(id, options) };
  if (new Reader(options).bool('mux') !== true) return addChardev(system, id, backend, add);
  const baseId = `${id}-base`;
  await addChardev(system, baseId, backend, add);
  try {
    return await addChardev(system, id, { type: 'mux', data: { chardev: baseId } });
  } catch (error) {
    await removeChardev(system, baseId);
    throw error;
  }
}
