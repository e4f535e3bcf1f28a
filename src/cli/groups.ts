import { QemuError } from '../system/errors.js';
import { type GroupSpec, type OptDesc, OptsGroup, type OptType } from './opts.js';

const key =
  (type: OptType) =>
  (name: string, help?: string): OptDesc => ({ name, type, ...(help === undefined ? {} : { help }) });
const text = key('string');
const bool = key('bool');
const number = key('number');
const size = key('size');

/** Limits on a block device's traffic: -drive and -fsdev. */
const throttling: readonly OptDesc[] = [
  ...['iops', 'bps'].flatMap((what) =>
    ['total', 'read', 'write'].flatMap((way) => {
      const name = `throttling.${what}-${way}`;
      const unit = what === 'iops' ? 'requests' : 'bytes';
      return [
        number(name, `most ${unit} a second (${way})`),
        number(`${name}-max`, `most ${unit} in a burst (${way})`),
        number(`${name}-max-length`, `seconds a burst may last (${way})`),
      ];
    }),
  ),
  number('throttling.iops-size', 'bytes that count as one request'),
];

const fileSystem: readonly OptDesc[] = [
  ...[text('fsdriver'), text('path'), text('security_model'), text('writeout'), bool('readonly')],
  ...[text('multidevs'), text('socket'), number('sock_fd'), number('fmode'), number('dmode')],
];

/**
 * Every option group of the command line, by the name that -readconfig, -set, help texts and
 * query-command-line-options use. A group without keys takes any; those of `machine` are the properties of the
 * machine types.
 */
export const groupSpecs: readonly GroupSpec[] = [
  { name: 'machine', implied: 'type', merge: true, keys: [] },
  {
    name: 'sandbox',
    implied: 'enable',
    keys: [bool('enable'), ...['obsolete', 'elevateprivileges', 'spawn', 'resourcecontrol'].map((name) => text(name))],
  },
  { name: 'virtfs', implied: 'fsdriver', keys: [...fileSystem, text('mount_tag')] },
  { name: 'fsdev', implied: 'fsdriver', keys: [...fileSystem, ...throttling] },
  { name: 'smbios', keys: [] },
  { name: 'acpi', implied: 'sig', keys: [] },
  { name: 'run-with', keys: [bool('async-teardown'), text('chroot'), bool('exit-with-parent'), text('user')] },
  { name: 'action', merge: true, keys: [text('shutdown'), text('reboot'), text('panic'), text('watchdog')] },
  {
    name: 'fw_cfg',
    implied: 'name',
    keys: [
      text('name', 'name under which the guest finds the blob'),
      text('file', 'file whose content is the blob'),
      text('string', 'content of the blob'),
      text('gen_id', 'object that makes the content'),
    ],
  },
  {
    name: 'icount',
    implied: 'shift',
    merge: true,
    keys: [text('shift'), bool('align'), bool('sleep'), text('rr'), text('rrfile'), text('rrsnapshot')],
  },
  { name: 'numa', implied: 'type', keys: [] },
  {
    name: 'name',
    implied: 'guest',
    merge: true,
    keys: [
      text('guest', 'name of the guest, for people and management tools'),
      text('process', 'name of this process in ps and top'),
      bool('debug-threads', 'name each thread after its work, for debuggers (default: off)'),
    ],
  },
  {
    name: 'msg',
    keys: [
      bool('timestamp', 'time before each message'),
      bool('guest-name', 'name given with -name before each message'),
    ],
  },
  { name: 'overcommit', keys: [text('mem-lock'), bool('cpu-pm')] },
  { name: 'tpmdev', implied: 'type', keys: [] },
  { name: 'object', implied: 'qom-type', keys: [] },
  {
    name: 'add-fd',
    keys: [
      number('fd', 'descriptor to duplicate into the set'),
      number('set', 'number of the set'),
      text('opaque', 'note kept with the descriptor'),
    ],
  },
  {
    name: 'boot-opts',
    implied: 'order',
    merge: true,
    keys: [
      ...[text('order'), text('once'), bool('menu'), text('splash')],
      ...[number('splash-time'), number('reboot-timeout'), bool('strict')],
    ],
  },
  {
    name: 'smp-opts',
    implied: 'cpus',
    merge: true,
    keys: ['cpus', 'drawers', 'books', 'sockets', 'dies', 'clusters', 'modules', 'cores', 'threads', 'maxcpus'].map(
      (name) => number(name),
    ),
  },
  { name: 'memory', implied: 'size', merge: true, keys: [size('size'), number('slots'), size('maxmem')] },
  { name: 'accel', implied: 'accel', keys: [] },
  { name: 'option-rom', implied: 'romfile', keys: [number('bootindex'), text('romfile')] },
  { name: 'plugin', implied: 'file', keys: [] },
  { name: 'trace', implied: 'enable', keys: [text('enable'), text('events'), text('file')] },
  {
    name: 'mon',
    implied: 'chardev',
    keys: [text('mode'), text('chardev'), bool('pretty'), bool('x-read-only'), size('x-event-queue')],
  },
  { name: 'global', keys: [text('driver'), text('property'), text('value')] },
  { name: 'rtc', merge: true, keys: [text('base'), text('clock'), text('driftfix')] },
  { name: 'net', implied: 'type', keys: [] },
  { name: 'nic', implied: 'type', keys: [] },
  { name: 'netdev', implied: 'type', keys: [] },
  { name: 'device', implied: 'driver', keys: [] },
  {
    name: 'chardev',
    implied: 'backend',
    keys: [
      ...[text('backend'), text('path'), text('input-path'), text('host'), text('port'), text('fd')],
      ...[text('localaddr'), text('localport'), number('to'), bool('ipv4'), bool('ipv6'), bool('wait')],
      ...[bool('server'), bool('delay'), bool('nodelay'), number('reconnect-ms'), bool('telnet'), bool('tn3270')],
      ...[text('tls-creds'), text('tls-authz'), bool('websocket'), number('width'), number('height')],
      ...[number('cols'), number('rows'), bool('mux'), bool('signal'), text('name'), number('debug'), size('size')],
      ...[text('chardev'), text('chardevs.0'), text('chardevs.1'), text('chardevs.2'), text('chardevs.3')],
      ...[bool('append'), text('logfile'), bool('logappend'), bool('logtimestamp'), bool('mouse')],
      ...[bool('clipboard'), { ...bool('tight'), default: 'on' }, bool('abstract'), number('x-clients'), text('x-cid')],
      ...[text('x-origins'), text('x-token-file'), text('x-token-secret'), size('x-max-message')],
      ...[number('x-handshake-timeout-ms'), number('x-silence-ms')],
    ],
  },
  {
    name: 'drive',
    keys: [
      text('node-name', 'name of the block node'),
      text('driver', 'driver of the block node'),
      bool('cache.direct', 'go around the page cache'),
      bool('cache.no-flush', 'do not flush'),
      bool('cache.writeback', 'write-back caching'),
      bool('active', 'the node is active'),
      bool('auto-read-only', 'fall back to read-only'),
      text('discard', 'what a discard does (ignore/off, unmap/on)'),
      bool('force-share', 'let others write as well (default: off)'),
      bool('snapshot', 'write to a temporary file'),
      text('aio', 'how the host does asynchronous I/O (threads, native, io_uring)'),
      text('format', 'image format (raw, qcow2, ...)'),
      text('rerror', 'what a read error does'),
      text('werror', 'what a write error does'),
      ...throttling,
      text('throttling.group', 'group that shares the limits'),
      text('detect-zeroes', 'find zero writes (off, on, unmap)'),
      bool('stats-account-invalid', 'count invalid requests'),
      bool('stats-account-failed', 'count failed requests'),
      number('bus', 'bus number'),
      number('unit', 'unit number on the bus'),
      number('index', 'number among the drives of its interface'),
      text('media', 'disk or cdrom'),
      text('if', 'interface (ide, scsi, sd, mtd, floppy, pflash, virtio, none)'),
      text('file', 'image file'),
      bool('read-only', 'open read-only'),
      bool('copy-on-read', 'copy what is read from the backing file'),
    ],
  },
];

/** Groups that are kept as nested options (keyval.ts), not as option sets. */
export const nestedGroups: ReadonlySet<string> = new Set(['object', 'machine', 'smp-opts', 'boot-opts']);

/** The option sets of one command line, by group. */
export class OptionGroups {
  readonly #groups = new Map(groupSpecs.map((spec) => [spec.name, new OptsGroup(spec)]));

  /** @throws QemuError when there is no such group */
  get(name: string): OptsGroup {
    const group = this.#groups.get(name);
    if (group === undefined) throw new QemuError(`There is no option group '${name}'`);
    return group;
  }
}
