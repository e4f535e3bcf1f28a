import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import { parseInteger } from '../system/numbers.js';
import type { Location, Reporter } from '../system/report.js';
import { parseRunAs } from '../system/run-as.js';
import type { Actions } from '../system/run-control.js';
import { type CharOption, emptyConfig, type HelpRequest, type OptionSet, type StartConfig } from './config.js';
import { OptionGroups } from './groups.js';
import { type KeyvalObject, mergeKeyval, parseKeyval, readKeyval } from './keyval.js';
import { locate } from './located-error.js';
import type { Opts, OptsGroup } from './opts.js';
import { applySection, readConfig } from './readconfig.js';
import { parseRtc } from './rtc.js';
import { type CharText, readCharText } from './start-chardevs.js';
import type { WalkedOption } from './walk.js';

/** Ends the reading of options: the program prints a text, or an answer that needs types, and ends. */
export class HelpAsked {
  readonly request: HelpRequest;

  constructor(request: HelpRequest) {
    this.request = request;
  }
}

type Handler = (value: string, location: Location & object) => void;

const uuidPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** Turns options into a StartConfig, one after the other as QEMU does; the first bad one throws. */
export class OptionCollector {
  readonly config: StartConfig = emptyConfig();
  readonly #groups = new OptionGroups();
  readonly #report: Reporter;
  readonly #readFile: (path: string) => string;
  readonly #parseJson: (text: string) => JsonObject;
  #noParallel = true;
  #noSerial = true;
  #noMonitor = true;
  readonly #kernelOptions = new Map<string, string>();

  /**
   * @param readFile for -readconfig; throws QemuError
   * @param parseJson for the JSON form of -device and -object; throws QemuError
   */
  constructor(report: Reporter, readFile: (path: string) => string, parseJson: (text: string) => JsonObject) {
    this.#report = report;
    this.#readFile = readFile;
    this.#parseJson = parseJson;
  }

  /** @throws LocatedError, or HelpAsked */
  take({ spec, option, value = '', location }: WalkedOption): void {
    locate(location, () => {
      if (spec.effect === 'refused' && value !== spec.harmless) {
        throw new QemuError((spec.refusal ?? 'not supported').replace('%s', value));
      }
      this.#handlers[option]?.(value, location);
    });
  }

  /** Rules over all options, and what follows from them. @throws QemuError */
  finish(): StartConfig {
    const { config } = this;
    if (config.machine.kernel === undefined) {
      for (const name of ['append', 'initrd', 'shim']) {
        if (this.#kernelOptions.has(name)) throw new QemuError(`-${name} only allowed with -kernel option`);
      }
    }
    this.#finishMachine();
    this.#finishDefaults();
    return config;
  }

  #group(name: string): OptsGroup {
    return this.#groups.get(name);
  }

  /** Reads an option of a group; `help` prints the group's keys and ends with status 1, as QEMU does. */
  #parse(name: string, value: string, location: Location, helpStatus = 1): Opts {
    const group = this.#group(name);
    const opts = group.parse(value, location, (text, hint) => {
      this.#report.warn(text, location);
      this.#report.line(hint);
    });
    if (opts === undefined) throw new HelpAsked({ kind: 'text', text: group.help(), status: helpStatus });
    return opts;
  }

  #merge(name: string, value: KeyvalObject): void {
    mergeKeyval(this.config.machine as KeyvalObject, { [name]: value });
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    h: () => {
      throw new HelpAsked({ kind: 'usage' });
    },
    version: () => {
      throw new HelpAsked({ kind: 'version' });
    },
    machine: (value) => {
      const options: KeyvalObject = {};
      const { help } = readKeyval(value, 'type', options);
      mergeKeyval(this.config.machine as KeyvalObject, options);
      const { type } = this.config.machine;
      if (help) throw new HelpAsked({ kind: 'machine', name: typeof type === 'string' ? type : '' });
      if (type === '') delete this.config.machine.type;
    },
    accel: (value, location) => this.#accel(value, location),
    'enable-kvm': () => mergeKeyval(this.config.machine as KeyvalObject, { accel: 'kvm' }),
    cpu: (value) => {
      if (isHelpWord(value)) throw new HelpAsked({ kind: 'cpu' });
      this.config.cpu = value;
    },
    smp: (value) => {
      const options: KeyvalObject = {};
      const { help } = readKeyval(value, 'cpus', options);
      if (help) throw new HelpAsked({ kind: 'text', text: this.#group('smp-opts').help(), status: 0 });
      this.#merge('smp', options);
    },
    m: (value, location) => void this.#parse('memory', value, location),
    boot: (value) => {
      const options: KeyvalObject = {};
      const { help } = readKeyval(value, 'order', options);
      if (help) throw new HelpAsked({ kind: 'text', text: this.#group('boot-opts').help(), status: 1 });
      this.#merge('boot', options);
    },
    kernel: (value) => this.#machineText('kernel', value),
    initrd: (value) => this.#machineText('initrd', value),
    append: (value) => this.#machineText('append', value),
    shim: (value) => this.#machineText('shim', value),
    dtb: (value) => this.#machineText('dtb', value),
    bios: (value) => this.#machineText('firmware', value),
    device: (value, location) => this.#device(value, location),
    global: (value, location) => this.#global(value, location),
    object: (value, location) => this.#object(value, location),
    chardev: (value, location) => {
      if (isHelpWord(value)) throw new HelpAsked({ kind: 'chardev' });
      const opts = this.#parse('chardev', value, location);
      this.config.chardevs.push(optionSet(opts));
    },
    gdb: (value, location) => {
      this.config.gdb = { text: value, location };
    },
    s: (_, location) => {
      this.config.gdb = { text: 'tcp::1234', location };
    },
    qtest: (value, location) => {
      this.config.qtest = { text: value, location };
    },
    'qtest-log': (value) => {
      this.config.qtestLog = value;
    },
    serial: (value, location) => {
      this.#noSerial = false;
      this.config.serials.push({ text: value, location });
    },
    parallel: (value, location) => {
      this.#noParallel = false;
      this.config.parallels.push({ text: value, location });
    },
    monitor: (value, location) => {
      this.#noMonitor = false;
      // QEMU compares the first four characters only.
      if (!value.startsWith('none')) this.#monitor(value, location, 'readline', false);
    },
    qmp: (value, location) => this.#monitor(value, location, 'control', false),
    'qmp-pretty': (value, location) => this.#monitor(value, location, 'control', true),
    mon: (value, location) => {
      this.#noMonitor = false;
      const opts = this.#parse('mon', value, location);
      const mode = opts.get('mode') ?? 'readline';
      if (mode !== 'readline' && mode !== 'control') {
        throw new QemuError(`Parameter 'mode' does not accept value '${mode}'`);
      }
      this.config.monitors.push({
        location,
        mode,
        pretty: opts.bool('pretty', false),
        chardev: opts.get('chardev') ?? '',
        readOnly: opts.bool('x-read-only', false),
        ...(opts.get('x-event-queue') === undefined ? {} : { eventQueue: Number(opts.size('x-event-queue', 0n)) }),
        ...(opts.id === undefined ? {} : { id: opts.id }),
      });
    },
    display: (value) => {
      if (isHelpWord(value)) throw new HelpAsked({ kind: 'display' });
      const { type } = parseKeyval(value, 'type');
      if (type !== 'none') throw new QemuError(`Parameter 'type' does not accept value '${String(type)}'`);
      this.config.display = 'none';
    },
    nographic: () => {
      this.config.nographic = true;
    },
    echr: (value) => {
      const code = parseInteger(value);
      if (code === undefined || code < 0n || code > 0xffn) {
        throw new QemuError('Bad argument to echr', { hint: 'It is a byte: a number from 0 to 255.' });
      }
      this.config.escapeCharacter = Number(code);
    },
    nodefaults: () => {
      this.config.defaults = false;
    },
    S: () => {
      this.config.paused = true;
    },
    preconfig: () => {
      this.config.preconfig = true;
    },
    'no-shutdown': () => {
      this.config.actions.shutdown = 'pause';
    },
    'no-reboot': () => {
      this.config.actions.reboot = 'shutdown';
    },
    action: (value, location) => this.#action(value, location),
    'watchdog-action': (value) => {
      this.config.actions.watchdog = checkAction('watchdog', value);
    },
    daemonize: () => {
      this.config.daemonize = true;
    },
    pidfile: (value) => {
      this.config.pidfile = value;
    },
    D: (value) => {
      this.config.logFile = value;
    },
    d: (value) => {
      for (const item of value.split(',')) {
        if (isHelpWord(item)) throw new HelpAsked({ kind: 'log-items' });
        if (item.startsWith('trace:')) this.config.tracePatterns.push(item.slice('trace:'.length));
      }
    },
    trace: (value, location) => this.#trace(value, location),
    msg: (value, location) => {
      const opts = this.#parse('msg', value, location);
      this.config.msg = {
        timestamp: opts.bool('timestamp', this.config.msg.timestamp),
        guestName: opts.bool('guest-name', this.config.msg.guestName),
      };
    },
    name: (value, location) => {
      const guest = this.#parse('name', value, location).get('guest');
      if (guest !== undefined) this.config.name = { guest };
    },
    uuid: (value) => {
      if (!uuidPattern.test(value)) throw new QemuError('failed to parse UUID string: wrong format');
      const digits = value.replaceAll('-', '').toLowerCase();
      this.config.uuid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
    'mem-prealloc': () => {
      this.config.memPrealloc = true;
    },
    readconfig: (value) => this.#readConfig(value),
    set: (value) => this.#set(value),
    netdev: (value, location) => {
      if (isHelpWord(value)) throw new HelpAsked({ kind: 'netdev' });
      const opts = this.#parse('netdev', value, location);
      if (opts.id === undefined) throw new QemuError("Parameter 'id' is missing");
      this.config.netdevs.push(opts.id);
    },
    drive: (value, location) => {
      const opts = this.#parse('drive', value, location);
      const file = opts.get('file');
      if (file === undefined && opts.get('driver') === undefined && opts.get('if') === undefined) {
        throw new QemuError('Must specify either driver or file');
      }
      if (file !== undefined) this.config.images.push({ path: file, location });
    },
    hda: (value) => void this.config.images.push({ path: value, location: { text: value } }),
    sandbox: (value, location) => {
      this.#parse('sandbox', value, location).bool('enable', false);
    },
    loadvm: () => {
      this.config.loadvm = true;
    },
    'add-fd': (value, location) => {
      const opts = this.#parse('add-fd', value, location);
      const fd = Number(opts.number('fd', -1n));
      const set = Number(opts.number('set', -1n));
      if (opts.get('fd') === undefined) throw new QemuError('fd option is required and must be non-negative');
      if (fd <= 2) throw new QemuError('fd cannot be a standard I/O stream');
      if (opts.get('set') === undefined) throw new QemuError('set option is required and must be non-negative');
      this.config.fds.push({ location, fd, set, opaque: opts.get('opaque') });
    },
    icount: (value, location) => {
      const shift = this.#parse('icount', value, location).get('shift') ?? 'auto';
      if (shift !== 'auto' && !/^\d+$/.test(shift)) throw new QemuError('icount: Invalid shift value');
    },
    rtc: (value, location) => {
      this.config.rtcAheadMs = parseRtc(this.#parse('rtc', value, location), Date.now());
    },
    overcommit: (value, location) => void this.#parse('overcommit', value, location),
    'run-with': (value, location) => {
      const user = this.#parse('run-with', value, location).get('user');
      if (user !== undefined) this.config.runAs = parseRunAs(user);
    },
  };

  #machineText(name: string, value: string): void {
    this.#kernelOptions.set(name, value);
    this.config.machine[name] = value;
  }

  #accel(value: string, location: Location): void {
    const opts = this.#group('accel').parse(value, location, () => {});
    const name = opts?.get('accel');
    if (opts === undefined || name === undefined || isHelpWord(name)) throw new HelpAsked({ kind: 'accel', name: '' });
    const properties = [...opts.entries()].filter(([key]) => key !== 'accel');
    if (properties.some(([key]) => isHelpWord(key))) throw new HelpAsked({ kind: 'accel', name });
    this.config.accels.push({ location, name, properties });
  }

  #device(value: string, location: Location): void {
    if (value.startsWith('{')) {
      this.config.devices.push({ location, mode: 'json', options: this.#parseJson(value) });
      return;
    }
    const opts = this.#parse('device', value, location);
    const driver = opts.get('driver');
    if (driver !== undefined && isHelpWord(driver)) throw new HelpAsked({ kind: 'device', name: '', location });
    if ([...opts.entries()].some(([key]) => isHelpWord(key))) {
      throw new HelpAsked({ kind: 'device', name: driver ?? '', location });
    }
    if (driver === undefined || driver === '') throw new QemuError("Parameter 'driver' is missing");
    this.config.devices.push(optionSet(opts));
  }

  #global(value: string, location: Location): void {
    const match = /^([^.=]{1,63})\.([^=]{1,63})=(.*)$/s.exec(value);
    if (match !== null) {
      const [, driver = '', property = '', text = ''] = match;
      this.config.globals.push({ driver, property, value: text });
      return;
    }
    const opts = this.#parse('global', value, location);
    const [driver, property, text] = [opts.get('driver'), opts.get('property'), opts.get('value')];
    if (driver === undefined || property === undefined) {
      throw new QemuError(`Parameter '${driver === undefined ? 'driver' : 'property'}' is missing`);
    }
    this.config.globals.push({ driver, property, value: text ?? '' });
  }

  #object(value: string, location: Location): void {
    if (value.startsWith('{')) {
      this.config.objects.push({ location, mode: 'json', options: this.#parseJson(value) });
      return;
    }
    if (isHelpWord(value)) throw new HelpAsked({ kind: 'object', name: '', location });
    const opts = this.#parse('object', value, location);
    if ([...opts.entries()].some(([key]) => isHelpWord(key))) {
      throw new HelpAsked({ kind: 'object', name: opts.get('qom-type') ?? '', location });
    }
    this.config.objects.push(objectOptions(opts));
  }

  #monitor(text: string, location: Location, mode: 'readline' | 'control', pretty: boolean): void {
    this.#noMonitor = false;
    const [, chardev] = /^chardev:(.*)$/s.exec(text) ?? [];
    if (chardev !== undefined) {
      this.config.monitors.push({ location, mode, pretty, readOnly: false, chardev });
      return;
    }
    const asked = this.#charText({ text, location });
    if (asked === undefined) throw new QemuError(`parse error: ${text}`);
    this.config.monitors.push({ location, mode, pretty, readOnly: false, asked });
  }

  /** QEMU reads the texts of monitors with the options, and reports what is wrong with them before it gives up. */
  #charText(option: CharOption): CharText | undefined {
    try {
      return readCharText(option);
    } catch (error) {
      if (!(error instanceof QemuError)) throw error;
      this.#report.error(error, option.location);
      return undefined;
    }
  }

  #action(value: string, location: Location): void {
    const opts = this.#parse('action', value, location);
    for (const name of ['panic', 'reboot', 'shutdown', 'watchdog'] as const) {
      const choice = opts.get(name);
      if (choice !== undefined) Object.assign(this.config.actions, { [name]: checkAction(name, choice) });
    }
  }

  #trace(value: string, location: Location): void {
    if (isHelpWord(value)) throw new HelpAsked({ kind: 'trace' });
    const opts = this.#parse('trace', value, location);
    const pattern = opts.get('enable');
    if (pattern !== undefined) this.config.tracePatterns.push(pattern);
    const events = opts.get('events');
    if (events !== undefined) {
      for (const line of this.#readFile(events).split('\n')) {
        const name = line.trim();
        if (name !== '' && !name.startsWith('#')) this.config.tracePatterns.push(name);
      }
    }
    const file = opts.get('file');
    if (file !== undefined) this.config.logFile = file;
  }

  #readConfig(path: string): void {
    for (const section of readConfig(this.#readFile(path), path)) {
      applySection(section, this.#groups, (group, options, location) => {
        if (group === 'machine') mergeKeyval(this.config.machine as KeyvalObject, options);
        else if (group === 'object') {
          this.config.objects.push({ location, mode: 'keyval', options: options as JsonObject });
        } else this.#merge(group === 'smp-opts' ? 'smp' : 'boot', options);
      });
      const set = this.#group(section.group).sets.at(-1);
      if (set === undefined) continue;
      if (section.group === 'device') this.config.devices.push(optionSet(set));
      if (section.group === 'chardev') this.config.chardevs.push(optionSet(set));
    }
  }

  /** `-set group.id.arg=value`: changes an option given before. */
  #set(value: string): void {
    const match = /^([^.]+)\.([^.]+)\.([^=]+)=(.*)$/s.exec(value);
    if (match === null) throw new QemuError(`can't parse: "${value}"`);
    const [, group = '', id = '', key = '', text = ''] = match;
    const opts = this.#group(group).find(id);
    if (opts === undefined) throw new QemuError(`there is no ${group} "${id}" defined`);
    opts.set(key, text);
    const sets = group === 'device' ? this.config.devices : group === 'chardev' ? this.config.chardevs : [];
    const given = sets.find((set) => set.options.id === id);
    if (given !== undefined) given.options[key] = text;
  }

  #finishMachine(): void {
    const { config } = this;
    const memory = this.#group('memory').find();
    if (memory !== undefined) {
      const size = memory.get('size');
      const options: KeyvalObject = {};
      if (size !== undefined && size !== '') options.size = /[0-9]$/.test(size) ? `${size}M` : size;
      const maxmem = memory.get('maxmem');
      if (maxmem !== undefined) options['max-size'] = String(memory.size('maxmem', 0n));
      const slots = memory.get('slots');
      if (slots !== undefined) options.slots = slots;
      if (Object.keys(options).length > 0) this.#merge('memory', options);
    }
    const { accel } = config.machine;
    if (accel === undefined) return;
    delete config.machine.accel;
    if (config.accels.length > 0) {
      throw new QemuError('The -accel and "-machine accel=" options are incompatible');
    }
    for (const name of String(accel).split(':')) config.accels.push({ location: undefined, name, properties: [] });
  }

  /** Monitor, serial and parallel ports that nobody asked for, as QEMU has them by default. */
  #finishDefaults(): void {
    const { config } = this;
    if (config.nographic) config.display = 'none';
    if (config.devices.some(({ options }) => options.driver === 'isa-serial')) this.#noSerial = false;
    config.defaultPorts = config.defaults
      ? { serial: this.#noSerial, parallel: this.#noParallel, monitor: this.#noMonitor }
      : { serial: false, parallel: false, monitor: false };
  }
}

function isHelpWord(text: string): boolean {
  return text === 'help' || text === '?';
}

/** The options of a set as an object; of a repeated key the last counts. */
function optionSet(opts: Opts): OptionSet {
  const options: JsonObject = { ...(opts.id === undefined ? {} : { id: opts.id }) };
  for (const [key, text] of opts.entries()) options[key] = text;
  return { location: opts.location, mode: 'keyval', options };
}

/** As optionSet, with the values of a repeated key as an array: properties that are lists take them all. */
function objectOptions(opts: Opts): OptionSet {
  const { location, options } = optionSet(opts);
  for (const key of Object.keys(options)) {
    const values = [...opts.entries()].filter(([name]) => name === key).map(([, text]) => text);
    if (values.length > 1) options[key] = values;
  }
  return { location, mode: 'opts', options };
}

const choices: Readonly<Record<keyof Actions, readonly string[]>> = {
  panic: ['pause', 'shutdown', 'exit-failure', 'none'],
  reboot: ['reset', 'shutdown'],
  shutdown: ['poweroff', 'pause'],
  watchdog: ['reset', 'shutdown', 'poweroff', 'pause', 'debug', 'none', 'inject-nmi'],
};

function checkAction<K extends keyof Actions>(name: K, value: string): Actions[K] {
  if (!choices[name].includes(value)) throw new QemuError(`Parameter '${name}' does not accept value '${value}'`);
  return value as Actions[K];
}

/** Default ports in the legacy text form, by where the terminal goes. */
export function defaultPortTexts(
  ports: StartConfig['defaultPorts'],
  nographic: boolean,
  has: { serial: boolean; parallel: boolean },
): { serials: CharOption[]; parallels: CharOption[]; monitor: CharOption | undefined } {
  const at = (text: string): CharOption => ({ text, location: undefined });
  const serial = ports.serial && has.serial;
  if (!nographic) {
    return {
      serials: serial ? [at('vc:80Cx24C')] : [],
      parallels: ports.parallel && has.parallel ? [at('vc:80Cx24C')] : [],
      monitor: ports.monitor ? at('vc:80Cx24C') : undefined,
    };
  }
  const shared = serial && ports.monitor;
  return {
    serials: serial ? [at(shared ? 'mon:stdio' : 'stdio')] : [],
    parallels: ports.parallel && has.parallel ? [at('null')] : [],
    monitor: ports.monitor && !shared ? at('stdio') : undefined,
  };
}
