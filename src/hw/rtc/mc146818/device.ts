import { prop, qdevProp } from '../../../qom/property.js';
import * as qapi from '../../../qom/qapi.js';
import { IrqPin } from '../../../system/irq.js';
import type { JsonObject } from '../../../system/json.js';
import { createRegion } from '../../../system/memory.js';
import type { System } from '../../../system/system.js';
import type { BoardPart } from '../../i386/board-host.js';
import { RTC_IRQ, RTC_PORT } from '../../i386/memory-layout.js';
import { IsaDevice } from '../../isa/bus.js';
import { RtcBackend } from './backend.js';
import { RTC_PORTS, RtcMemory } from './window.js';

/** A clock on the ISA bus (hw/rtc/mc146818rtc.c). */
export class RtcDevice extends IsaDevice {
  readonly #system: System;
  #backend: RtcBackend | undefined;
  #part: BoardPart | undefined;

  constructor(type: ConstructorParameters<typeof IsaDevice>[0], system: System) {
    super(type);
    this.#system = system;
  }

  get part(): BoardPart {
    if (this.#part === undefined) throw new Error('the clock is not realized');
    return this.#part;
  }

  /** The clock's time as `struct tm`. */
  get date(): JsonObject {
    const date = new Date(this.#backend?.time ?? 0);
    return {
      tm_year: date.getUTCFullYear() - 1900,
      tm_mon: date.getUTCMonth(),
      tm_mday: date.getUTCDate(),
      tm_hour: date.getUTCHours(),
      tm_min: date.getUTCMinutes(),
      tm_sec: date.getUTCSeconds(),
    };
  }

  protected override onRealize(): void {
    const bus = this.ports;
    if (bus === undefined) return;
    const window = bus.map(this, { label: 'rtc', base: RTC_PORT, size: RTC_PORTS });
    const index = this.addChild('rtc-index[*]', createRegion(this.#system.types, 'rtc-index', 1n, 'i/o'));
    window.add(0n, index);
    const registers = RtcMemory.create(this.#system.settings.rtcAheadMs ?? 0);
    const pin = new IrqPin();
    const backend = new RtcBackend(registers, pin, (aheadMs) => {
      const offset = Math.round(aheadMs / 1000);
      this.#system.events.emit({ type: 'rtc-change', offset, path: this.canonicalPath });
    });
    this.#backend = backend;
    this.#part = {
      space: 'ports',
      device: { model: 'rtc', base: RTC_PORT, gsi: RTC_IRQ, registers },
      pin,
      poll: () => backend.poll(),
      reset: () => backend.reset(),
      close: () => backend.close(),
    };
  }
}

export function defineRtc(system: System): void {
  system.types.define({
    name: 'mc146818rtc',
    parent: 'isa-device',
    create: (type) => new RtcDevice(type, system),
    data: { category: 'Misc', userCreatable: false },
    properties: {
      iobase: qdevProp.uint16({ get: () => RTC_PORT }),
      irq: qdevProp.of<number>('uint8', qapi.uint8)({ get: () => RTC_IRQ }),
      date: prop.of<JsonObject>('struct tm', qapi.any)<RtcDevice>({ get: (rtc) => rtc.date }),
    },
  });
}
