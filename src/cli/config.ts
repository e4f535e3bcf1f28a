import type { GlobalProperty } from '../qdev/globals.js';
import type { InputMode } from '../qom/visitor.js';
import type { JsonObject } from '../system/json.js';
import type { Location } from '../system/report.js';
import type { Identity } from '../system/run-as.js';
import type { Actions } from '../system/run-control.js';
import type { CharText } from './start-chardevs.js';

/** Options of one occurrence: text values, or JSON values when they were given as JSON. */
export interface OptionSet {
  readonly location: Location;
  readonly mode: InputMode;
  readonly options: JsonObject;
}

/** `-serial`, `-parallel`: the legacy text of a character device. */
export interface CharOption {
  readonly location: Location;
  readonly text: string;
}

/** A monitor: on a chardev of its own or one named by -mon. */
export interface MonitorOption {
  readonly location: Location;
  readonly mode: 'readline' | 'control';
  readonly pretty: boolean;
  readonly readOnly: boolean;
  /** Bytes of events kept for a slow client. */
  readonly eventQueue?: number;
  /** Of a legacy text; undefined where -mon names the chardev. */
  readonly asked?: CharText | undefined;
  readonly chardev?: string;
  readonly id?: string;
}

/** Something to print instead of starting. */
export type HelpRequest =
  | { readonly kind: 'text'; readonly text: string; readonly status: number }
  | { readonly kind: 'usage' | 'version' | 'cpu' | 'chardev' | 'netdev' | 'display' | 'log-items' | 'trace' }
  | { readonly kind: 'machine' | 'accel'; readonly name: string }
  | { readonly kind: 'device' | 'object'; readonly name: string; readonly location: Location };

export interface AccelOption {
  readonly location: Location;
  readonly name: string;
  readonly properties: readonly (readonly [string, string])[];
}

/** What a command line asks for, in its order, before anything is made. */
export interface StartConfig {
  /** Merged -machine/-M, -kernel, -smp, -m and their like: properties of the machine, `type` among them. */
  machine: JsonObject;
  accels: AccelOption[];
  globals: GlobalProperty[];
  objects: OptionSet[];
  chardevs: OptionSet[];
  devices: OptionSet[];
  serials: CharOption[];
  parallels: CharOption[];
  /** -gdb; the last one counts. */
  gdb: CharOption | undefined;
  /** -qtest; the last one counts. */
  qtest: CharOption | undefined;
  /** -qtest-log. */
  qtestLog: string | undefined;
  monitors: MonitorOption[];
  cpu: string | undefined;
  name: { guest?: string };
  uuid: string;
  actions: Partial<Actions>;
  display: string;
  nographic: boolean;
  /** -echr, 0 to 255. */
  escapeCharacter: number | undefined;
  defaults: boolean;
  /** Ports that the machine gets although nobody asked for them. */
  defaultPorts: { serial: boolean; parallel: boolean; monitor: boolean };
  paused: boolean;
  preconfig: boolean;
  daemonize: boolean;
  pidfile: string | undefined;
  /** -D, or the file of -trace. */
  logFile: string | undefined;
  tracePatterns: string[];
  msg: { timestamp: boolean; guestName: boolean };
  memPrealloc: boolean;
  /** -rtc: what the guest's clock is ahead of the host's, ms. */
  rtcAheadMs: number;
  /** Ids of network back ends, which no device here can use. */
  netdevs: string[];
  /** Disk images: opened to say what is wrong with them, used by no machine here. */
  images: { path: string; location: Location }[];
  loadvm: boolean;
  fds: { location: Location; fd: number; set: number; opaque: string | undefined }[];
  /** Identity to change to once everything is open. */
  runAs: Identity | undefined;
}

export function emptyConfig(): StartConfig {
  return {
    machine: {},
    accels: [],
    globals: [],
    objects: [],
    chardevs: [],
    devices: [],
    serials: [],
    gdb: undefined,
    qtest: undefined,
    qtestLog: undefined,
    parallels: [],
    monitors: [],
    cpu: undefined,
    name: {},
    uuid: '00000000-0000-0000-0000-000000000000',
    actions: {},
    display: 'none',
    nographic: false,
    escapeCharacter: undefined,
    defaults: true,
    defaultPorts: { serial: true, parallel: true, monitor: true },
    paused: false,
    preconfig: false,
    daemonize: false,
    pidfile: undefined,
    logFile: undefined,
    tracePatterns: [],
    msg: { timestamp: false, guestName: false },
    memPrealloc: false,
    rtcAheadMs: 0,
    netdevs: [],
    images: [],
    loadvm: false,
    fds: [],
    runAs: undefined,
  };
}
