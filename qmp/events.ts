import {
  bool,
  empty,
  type Infer,
  int,
  type ObjectType,
  optional,
  str,
  struct,
  uint8,
  uint32,
} from '../src/qom/qapi.js';
import { causedByGuest, type SystemEvent } from '../src/system/events.js';
import type { JsonObject } from '../src/system/json.js';
import { GuestPanic } from './guest-panic.js';
import { ShutdownCause } from './types.js';

/** A QMP event, declared once; query-qmp-schema and the typed client derive from it. */
export interface EventDeclaration<Name extends string = string, Data = unknown> {
  readonly name: Name;
  /** One sentence for docs/qmp-reference.md. */
  readonly doc: string;
  readonly data: ObjectType<Data>;
  /** At most one in so many milliseconds; the last of those in between comes late (monitor_qapi_event_conf). */
  readonly rateLimitMs?: number;
}

function defineEvent<const Name extends string, Data extends ObjectType>(
  name: Name,
  doc: string,
  data: Data,
  options: { rateLimitMs?: number } = {},
): EventDeclaration<Name, Infer<Data>> {
  return { name, doc, data: data as ObjectType<Infer<Data>>, ...options };
}

const cause = struct('ShutdownInfo', { guest: bool, reason: ShutdownCause });
const deviceAndPath = struct('DeviceAndPath', { device: optional(str), path: str });

export const events = [
  defineEvent('SHUTDOWN', 'The machine has ended, or is about to.', cause),
  defineEvent('POWERDOWN', 'The guest was asked to power down.', empty),
  defineEvent('RESET', 'The machine was reset.', cause),
  defineEvent('STOP', 'The machine was paused.', empty),
  defineEvent('RESUME', 'The machine runs on.', empty),
  defineEvent('WAKEUP', 'The guest woke up.', empty),
  defineEvent('GUEST_PANICKED', 'The guest has panicked.', GuestPanic),
  defineEvent('GUEST_CRASHLOADED', 'The guest has panicked, and its crash kernel takes over.', GuestPanic),
  defineEvent('GUEST_PVSHUTDOWN', 'The guest shuts down by its panic device.', empty),
  defineEvent('DEVICE_DELETED', 'A device was unplugged and its id is free again.', deviceAndPath),
  defineEvent('DEVICE_UNPLUG_GUEST_ERROR', 'The guest refused to let a device go.', deviceAndPath),
  defineEvent(
    'RTC_CHANGE',
    'The guest set its clock: seconds that it is off from the time it started with.',
    struct('RTC_CHANGE', { offset: int, 'qom-path': str }),
    { rateLimitMs: 1000 },
  ),
  defineEvent(
    'NITRO_ENCLAVE_STARTED',
    'The enclave was started and has this CID.',
    struct('NITRO_ENCLAVE_STARTED', { cid: uint32 }),
  ),
  defineEvent(
    'NITRO_HEARTBEAT',
    'The enclave answered the heartbeat: the byte it sent, and whether it is the expected one.',
    struct('NITRO_HEARTBEAT', { byte: uint8, ok: bool }),
  ),
  defineEvent(
    'NITRO_CONSOLE_CONNECTED',
    'The console of the enclave was connected.',
    struct('NITRO_CONSOLE_CONNECTED', { cid: uint32 }),
  ),
];

type Declared = (typeof events)[number];
export type EventName = Declared['name'];

/** What happened, under its QMP name. */
export interface QmpEvent {
  readonly name: EventName;
  readonly data?: JsonObject;
}

/** The QMP event of a system event. */
export function qmpEvent(event: SystemEvent): QmpEvent {
  switch (event.type) {
    case 'shutdown':
      return { name: 'SHUTDOWN', data: { guest: causedByGuest(event.cause), reason: event.cause } };
    case 'reset':
      return { name: 'RESET', data: { guest: causedByGuest(event.cause), reason: event.cause } };
    case 'stop':
      return { name: 'STOP' };
    case 'resume':
      return { name: 'RESUME' };
    case 'powerdown':
      return { name: 'POWERDOWN' };
    case 'wakeup':
      return { name: 'WAKEUP' };
    case 'guest-panicked':
      return { name: 'GUEST_PANICKED', data: { action: event.action } };
    case 'guest-crashloaded':
      return { name: 'GUEST_CRASHLOADED', data: { action: event.action } };
    case 'guest-pvshutdown':
      return { name: 'GUEST_PVSHUTDOWN' };
    case 'device-deleted':
      return { name: 'DEVICE_DELETED', data: deviceData(event.device, event.path) };
    case 'device-unplug-guest-error':
      return { name: 'DEVICE_UNPLUG_GUEST_ERROR', data: deviceData(event.device, event.path) };
    case 'rtc-change':
      return { name: 'RTC_CHANGE', data: { offset: event.offset, 'qom-path': event.path } };
    case 'enclave-started':
      return { name: 'NITRO_ENCLAVE_STARTED', data: { cid: event.cid } };
    case 'heartbeat':
      return { name: 'NITRO_HEARTBEAT', data: { byte: event.byte, ok: event.ok } };
    case 'console-connected':
      return { name: 'NITRO_CONSOLE_CONNECTED', data: { cid: event.cid } };
  }
}

function deviceData(device: string | undefined, path: string): JsonObject {
  return device === undefined ? { path } : { device, path };
}

const rateLimits = new Map<string, number>(
  events.flatMap(({ name, rateLimitMs }) => (rateLimitMs === undefined ? [] : [[name, rateLimitMs]])),
);

/** Time, as the publisher needs it; tests bring their own. */
export interface EventClock {
  /** Microseconds since 1970. */
  now(): number;
  after(ms: number, run: () => void): void;
}

/** The wall clock, with the microseconds Date lacks. */
export const systemClock: EventClock = {
  now() {
    const precise = (performance.timeOrigin + performance.now()) * 1000;
    const wall = Date.now() * 1000;
    // The precise clock does not follow when the wall clock is set.
    return Math.trunc(Math.abs(wall - precise) < 5000 ? precise : wall);
  },
  after(ms, run) {
    setTimeout(run, ms).unref();
  },
};

/** Stamps events and hands them on as QMP messages, rate-limited where QEMU limits them. */
export class EventPublisher {
  readonly #deliver: (message: JsonObject) => void;
  readonly #clock: EventClock;
  /** By event (and device, where one event has many sources): what waits for the end of its interval. */
  readonly #held = new Map<string, JsonObject | undefined>();

  constructor(deliver: (message: JsonObject) => void, clock: EventClock = systemClock) {
    this.#deliver = deliver;
    this.#clock = clock;
  }

  publish({ name, data }: QmpEvent): void {
    const now = this.#clock.now();
    const message: JsonObject = {
      timestamp: { seconds: Math.trunc(now / 1e6), microseconds: now % 1e6 },
      event: name,
      ...(data === undefined ? {} : { data }),
    };
    const limit = rateLimits.get(name);
    if (limit === undefined) {
      this.#deliver(message);
      return;
    }
    const key = `${name} ${String(data?.['qom-path'] ?? '')}`;
    if (this.#held.has(key)) {
      this.#held.set(key, message);
      return;
    }
    this.#deliver(message);
    this.#hold(key, limit);
  }

  #hold(key: string, ms: number): void {
    this.#held.set(key, undefined);
    this.#clock.after(ms, () => {
      const late = this.#held.get(key);
      this.#held.delete(key);
      if (late === undefined) return;
      this.#deliver(late);
      this.#hold(key, ms);
    });
  }
}
