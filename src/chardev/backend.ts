import * as qapi from '../qom/qapi.js';

/** The argument of chardev-add and of -chardev once parsed (QEMU: qapi/char.json, qapi/sockets.json). */

const common = {
  logfile: qapi.optional(qapi.str),
  logappend: qapi.optional(qapi.bool),
  logtimestamp: qapi.optional(qapi.bool),
};

export const InetSocketAddress = qapi.struct('InetSocketAddress', {
  host: qapi.str,
  port: qapi.str,
  numeric: qapi.optional(qapi.bool),
  to: qapi.optional(qapi.uint16),
  ipv4: qapi.optional(qapi.bool),
  ipv6: qapi.optional(qapi.bool),
  'keep-alive': qapi.optional(qapi.bool),
  'keep-alive-count': qapi.optional(qapi.uint32),
  'keep-alive-idle': qapi.optional(qapi.uint32),
  'keep-alive-interval': qapi.optional(qapi.uint32),
  mptcp: qapi.optional(qapi.bool),
});

export const UnixSocketAddress = qapi.struct('UnixSocketAddress', {
  path: qapi.str,
  abstract: qapi.optional(qapi.bool),
  tight: qapi.optional(qapi.bool),
});

export const VsockSocketAddress = qapi.struct('VsockSocketAddress', { cid: qapi.str, port: qapi.str });

export const FdSocketAddress = qapi.struct('FdSocketAddress', { str: qapi.str });

/** Address in the nested form of the older commands: `{ type: 'unix', data: { path } }`. */
export type SocketAddressLegacy =
  | { type: 'inet'; data: qapi.Infer<typeof InetSocketAddress> }
  | { type: 'unix'; data: qapi.Infer<typeof UnixSocketAddress> }
  | { type: 'vsock'; data: qapi.Infer<typeof VsockSocketAddress> }
  | { type: 'fd'; data: qapi.Infer<typeof FdSocketAddress> };

export const SocketAddressLegacy = qapi.union<SocketAddressLegacy>(
  'SocketAddressLegacy',
  { type: qapi.enumeration('SocketAddressType', ['inet', 'unix', 'vsock', 'fd']) },
  'type',
  {
    inet: qapi.struct('InetSocketAddressWrapper', { data: InetSocketAddress }),
    unix: qapi.struct('UnixSocketAddressWrapper', { data: UnixSocketAddress }),
    vsock: qapi.struct('VsockSocketAddressWrapper', { data: VsockSocketAddress }),
    fd: qapi.struct('FdSocketAddressWrapper', { data: FdSocketAddress }),
  },
);

const ChardevFile = qapi.struct('ChardevFile', {
  ...common,
  in: qapi.optional(qapi.str),
  out: qapi.str,
  append: qapi.optional(qapi.bool),
});
const ChardevHostdev = qapi.struct('ChardevHostdev', { ...common, device: qapi.str });
const ChardevSocket = qapi.struct('ChardevSocket', {
  ...common,
  addr: SocketAddressLegacy,
  'tls-creds': qapi.optional(qapi.str),
  'tls-authz': qapi.optional(qapi.str),
  server: qapi.optional(qapi.bool),
  wait: qapi.optional(qapi.bool),
  nodelay: qapi.optional(qapi.bool),
  telnet: qapi.optional(qapi.bool),
  tn3270: qapi.optional(qapi.bool),
  websocket: qapi.optional(qapi.bool),
  'reconnect-ms': qapi.optional(qapi.int),
  'x-clients': qapi.optional(qapi.uint32, ['unstable']),
  'x-handshake-timeout-ms': qapi.optional(qapi.uint32, ['unstable']),
  'x-origins': qapi.optional(qapi.list(qapi.str), ['unstable']),
  'x-token-file': qapi.optional(qapi.str, ['unstable']),
  'x-token-secret': qapi.optional(qapi.str, ['unstable']),
  'x-max-message': qapi.optional(qapi.uint32, ['unstable']),
  'x-silence-ms': qapi.optional(qapi.uint32, ['unstable']),
});
const ChardevUdp = qapi.struct('ChardevUdp', {
  ...common,
  remote: SocketAddressLegacy,
  local: qapi.optional(SocketAddressLegacy),
});
const ChardevPty = qapi.struct('ChardevPty', { ...common, path: qapi.optional(qapi.str) });
const ChardevCommon = qapi.struct('ChardevCommon', common);
const ChardevMux = qapi.struct('ChardevMux', { ...common, chardev: qapi.str });
const ChardevHub = qapi.struct('ChardevHub', { ...common, chardevs: qapi.list(qapi.str) });
const ChardevStdio = qapi.struct('ChardevStdio', { ...common, signal: qapi.optional(qapi.bool) });
const ChardevDBus = qapi.struct('ChardevDBus', { ...common, name: qapi.str });
const ChardevVC = qapi.struct('ChardevVC', {
  ...common,
  width: qapi.optional(qapi.int),
  height: qapi.optional(qapi.int),
  cols: qapi.optional(qapi.int),
  rows: qapi.optional(qapi.int),
});
const ChardevRingbuf = qapi.struct('ChardevRingbuf', { ...common, size: qapi.optional(qapi.int) });

/** The `data` of each backend type that can be made here. */
export interface BackendData {
  file: qapi.Infer<typeof ChardevFile>;
  serial: qapi.Infer<typeof ChardevHostdev>;
  pipe: qapi.Infer<typeof ChardevHostdev>;
  socket: qapi.Infer<typeof ChardevSocket>;
  udp: qapi.Infer<typeof ChardevUdp>;
  pty: qapi.Infer<typeof ChardevPty>;
  null: qapi.Infer<typeof ChardevCommon>;
  mux: qapi.Infer<typeof ChardevMux>;
  hub: qapi.Infer<typeof ChardevHub>;
  stdio: qapi.Infer<typeof ChardevStdio>;
  vc: qapi.Infer<typeof ChardevVC>;
  ringbuf: qapi.Infer<typeof ChardevRingbuf>;
  memory: qapi.Infer<typeof ChardevRingbuf>;
}

/** Backend types that can be made here. */
export type BackendKind = keyof BackendData;

/** What to make: `{ type: 'file', data: { out: '/tmp/x' } }`; `type` may also be one that only QEMU has. */
export type ChardevBackend =
  | { [K in BackendKind]: { type: K; data: BackendData[K] } }[BackendKind]
  | { type: 'parallel'; data: qapi.Infer<typeof ChardevHostdev> }
  | { type: 'dbus'; data: qapi.Infer<typeof ChardevDBus> }
  | { type: 'msmouse' | 'wctablet' | 'testdev'; data: qapi.Infer<typeof ChardevCommon> };

const variants = {
  file: ChardevFile,
  serial: ChardevHostdev,
  parallel: ChardevHostdev,
  pipe: ChardevHostdev,
  socket: ChardevSocket,
  udp: ChardevUdp,
  pty: ChardevPty,
  null: ChardevCommon,
  mux: ChardevMux,
  hub: ChardevHub,
  msmouse: ChardevCommon,
  wctablet: ChardevCommon,
  testdev: ChardevCommon,
  stdio: ChardevStdio,
  dbus: ChardevDBus,
  vc: ChardevVC,
  ringbuf: ChardevRingbuf,
  memory: ChardevRingbuf,
};

const wrappers = new Map(
  Object.values(variants).map((data) => [data, qapi.struct(`${data.name}Wrapper`, { data: data as qapi.QapiType })]),
);

export const ChardevBackend = qapi.union<ChardevBackend>(
  'ChardevBackend',
  { type: qapi.enumeration('ChardevBackendKind', Object.keys(variants)) },
  'type',
  Object.fromEntries(Object.entries(variants).map(([kind, data]) => [kind, wrappers.get(data) ?? qapi.empty])),
);
