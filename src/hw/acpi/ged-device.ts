import { Device } from '../../qdev/device.js';
import { IrqPin } from '../../system/irq.js';
import { createRegion } from '../../system/memory.js';
import type { System } from '../../system/system.js';
import type { BoardPart } from '../i386/board-host.js';
import { ged } from '../i386/memory-layout.js';
import { GED_REGISTER_BYTES, GED_SELECTOR_BYTES, GedMemory, GedRequest } from './ged.js';

/** The generic event device of acpi=on (hw/acpi/generic_event_device.c). */
export class GedDevice extends Device {
  /** The guest asks for one of these. */
  onReset: () => void = () => {};
  onPowerOff: () => void = () => {};
  readonly #system: System;
  readonly #registers = GedMemory.create();
  readonly #memory = new GedMemory(this.#registers);
  readonly #pin = new IrqPin();

  constructor(type: ConstructorParameters<typeof Device>[0], system: System) {
    super(type);
    this.#system = system;
  }

  get part(): BoardPart {
    return {
      space: 'mmio',
      device: { model: 'ged', base: ged.selector, gsi: ged.irq, registers: this.#registers },
      pin: this.#pin,
      poll: () => {
        const requests = this.#memory.takeRequests();
        if ((requests & GedRequest.powerOff) !== 0) this.onPowerOff();
        else if ((requests & GedRequest.reset) !== 0) this.onReset();
      },
      reset: () => {
        this.#memory.takeRequests();
        this.#memory.reset();
      },
    };
  }

  /** Presses the power button. */
  powerDown(): void {
    this.#memory.powerDown(this.#pin);
  }

  protected override onRealize(): void {
    const { types, systemMemory } = this.#system;
    const map = (label: string, base: number, size: number) =>
      systemMemory.add(BigInt(base), this.addChild(`${label}[*]`, createRegion(types, label, BigInt(size), 'i/o')));
    map('acpi-ged', ged.selector, GED_SELECTOR_BYTES);
    map('acpi-ged-regs', ged.sleepControl, GED_REGISTER_BYTES);
  }
}

export function defineGed(system: System): void {
  system.types.define({
    name: 'acpi-ged',
    parent: 'sys-bus-device',
    create: (type) => new GedDevice(type, system),
    data: { hotpluggable: false },
  });
}
