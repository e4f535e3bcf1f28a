import type { GlobalProperty } from '../qdev/globals.js';
import type { JsonObject, JsonValue } from '../system/json.js';
import type { Location } from '../system/report.js';
import type { Actions } from '../system/run-control.js';

/** Options of one occurrence: text values, or JSON values when they were given as JSON. */
export interface OptionSet {
  readonly location: Location;
  readonly mode: 'json' | 'keyval';
  readonly options: JsonObject;
}

/** `-serial`, `-parallel`: the legacy text of a character device. */
export interface CharOption {
  readonly location: Location;
  readonly text: string;
}

/** A monitor: on a chardev of its own (`text`) or one named by -mon. */
export interface MonitorOption {
  readonly location: Location;
  readonly mode: 'readline' | 'control';
  readonly pretty: boolean;
  readonly text?: string;
  readonly chardev?: string;
  readonly id?: string;
  readonly options?: JsonObject;
}

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
  monitors: MonitorOption[];
  cpu: string | undefined;
  /** Bytes; -m. */
  name: { guest?: string; debugThreads?: boolean };
  uuid: string;
  actions: Partial<Actions>;
  display: string;
  nographic: boolean;
  defaults: boolean;
  paused: boolean;
  preconfig: boolean;
  daemonize: boolean;
  pidfile: string | undefined;
  logFile: string | undefined;
  tracePatterns: { pattern: string; location: Location }[];
  traceFile: string | undefined;
  msg: { timestamp: boolean; guestName: boolean };
  memPrealloc: boolean;
  /** Warnings to print once the options are read. */
  warnings: { text: string; location: Location }[];
  /** Options with a check that runs when the machine is made, by name. */
  late: { check: string; value: JsonValue; location: Location }[];
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
    parallels: [],
    monitors: [],
    cpu: undefined,
    name: {},
    uuid: '00000000-0000-0000-0000-000000000000',
    actions: {},
    display: 'gtk',
    nographic: false,
    defaults: true,
    paused: false,
    preconfig: false,
    daemonize: false,
    pidfile: undefined,
    logFile: undefined,
    tracePatterns: [],
    traceFile: undefined,
    msg: { timestamp: false, guestName: false },
    memPrealloc: false,
    warnings: [],
    late: [],
  };
}
