import { refuseAfterRealize } from '../../qdev/device.js';
import { type Property, qdevProp } from '../../qom/property.js';
import * as qapi from '../../qom/qapi.js';
import type { ObjectClass } from '../../qom/types.js';
import { QemuError } from '../../system/errors.js';
import type { System } from '../../system/system.js';
import type { BoardPart } from '../i386/board-host.js';
import { IsaDevice } from '../isa/bus.js';
import { PANIC_EVENTS, PanicEvent, PvPanicMemory } from './pvpanic.js';

const PORT = 0x505;

/** Where a guest tells that it has panicked (hw/misc/pvpanic-isa.c). */
export class PvPanicDevice extends IsaDevice {
  ioport = PORT;
  events: number = PANIC_EVENTS;
  readonly #system: System;
  #part: BoardPart | undefined;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.#system = system;
  }

  get part(): BoardPart {
    if (this.#part === undefined) throw new Error('the panic device is not realized');
    return this.#part;
  }

  protected override onRealize(): void {
    const bus = this.ports;
    if (bus === undefined) return;
    if ((this.events & ~PANIC_EVENTS) !== 0)
      throw new QemuError(`events 0x${this.events.toString(16)} are not all known`);
    bus.map(this, { label: 'pvpanic', base: this.ioport, size: 1 });
    const registers = PvPanicMemory.create(this.events);
    const memory = new PvPanicMemory(registers);
    this.#part = {
      space: 'ports',
      device: { model: 'pvpanic', base: this.ioport, registers },
      poll: () => this.#told(memory.take()),
      reset: () => void memory.take(),
    };
  }

  #told(events: number): void {
    const { run, events: sink, report } = this.#system;
    const failed = (error: unknown): void => report.error(error);
    if ((events & PanicEvent.panicked) !== 0) run.requestPanic().catch(failed);
    if ((events & PanicEvent.crashLoaded) !== 0) sink.emit({ type: 'guest-crashloaded', action: 'run' });
    if ((events & PanicEvent.shutdown) !== 0) {
      sink.emit({ type: 'guest-pvshutdown' });
      run.requestShutdown('guest-shutdown').catch(failed);
    }
  }
}

function number(field: 'ioport' | 'events', defaultValue: number): Property {
  const type =
    field === 'ioport' ? qdevProp.uint16<PvPanicDevice> : qdevProp.of<number>('uint8', qapi.uint8)<PvPanicDevice>;
  return type({
    get: (device) => device[field],
    set: (device, value) => {
      refuseAfterRealize(device, field);
      device[field] = value;
    },
    defaultValue,
  });
}

export function definePvPanic(system: System): void {
  system.types.define({
    name: 'pvpanic',
    parent: 'isa-device',
    create: (type) => new PvPanicDevice(type, system),
    data: { category: 'Misc' },
    properties: { ioport: number('ioport', PORT), events: number('events', PANIC_EVENTS) },
  });
}
