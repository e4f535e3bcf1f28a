import { IrqPin } from '../../../system/irq.js';
import type { System } from '../../../system/system.js';
import type { BoardPart } from '../../i386/board-host.js';
import { IsaDevice } from '../../isa/bus.js';
import { COMMAND_PORT, DATA_PORT, I8042Memory } from './window.js';

const KEYBOARD_IRQ = 1;

/** A keyboard controller on the ISA bus, for the reset that Linux asks it for. */
export class I8042Device extends IsaDevice {
  /** The guest asks for a reset. */
  onReset: () => void = () => {};
  #part: BoardPart | undefined;

  get part(): BoardPart {
    if (this.#part === undefined) throw new Error('the keyboard controller is not realized');
    return this.#part;
  }

  protected override onRealize(): void {
    const bus = this.ports;
    if (bus === undefined) return;
    bus.map(this, { label: 'i8042-data', base: DATA_PORT, size: 1 });
    bus.map(this, { label: 'i8042-cmd', base: COMMAND_PORT, size: 1 });
    const registers = I8042Memory.create();
    const memory = new I8042Memory(registers);
    const pin = new IrqPin();
    const controller = memory.controller({
      interrupt: (up) => (up ? pin.raise() : pin.lower()),
      reset() {},
    });
    this.#part = {
      space: 'ports',
      device: { model: 'i8042', base: DATA_PORT, gsi: KEYBOARD_IRQ, registers },
      pin,
      poll: () => {
        if (memory.takeReset()) this.onReset();
      },
      reset: () => {
        memory.takeReset();
        memory.lock.run(() => controller.reset());
      },
    };
  }
}

export function defineI8042(system: System): void {
  system.types.define({
    name: 'i8042',
    parent: 'isa-device',
    create: (type) => new I8042Device(type),
    data: { category: 'Input', userCreatable: false },
  });
}
