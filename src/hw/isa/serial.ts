import type { Chardev } from '../../chardev/chardev.js';
import { chardevProperty } from '../../chardev/property.js';
import { Device, refuseAfterRealize } from '../../qdev/device.js';
import { type Property, qdevProp } from '../../qom/property.js';
import { QemuError } from '../../system/errors.js';
import { IrqPin } from '../../system/irq.js';
import type { System } from '../../system/system.js';
import { SerialBackend } from '../char/serial/backend.js';
import { SerialMemory } from '../char/serial/serial-memory.js';
import { UART_PORTS } from '../char/serial/uart.js';
import type { BoardPart } from '../i386/board-host.js';
import { IsaDevice } from './bus.js';

/** The board chooses. */
const UNSET = 0xffffffff;
/** The serial ports of a PC, by index. */
const places = [
  { iobase: 0x3f8, irq: 4 },
  { iobase: 0x2f8, irq: 3 },
  { iobase: 0x3e8, irq: 4 },
  { iobase: 0x2e8, irq: 3 },
];

/** The UART of a serial port, as a part of its own in the object tree. */
class SerialCore extends Device {
  port: IsaSerial | undefined;
}

/**
 * A serial port as users name one (hw/char/serial-isa.c). On a bus with ports it is a 16550A; what else moves its bytes is
 * the affair of the bus it is on.
 */
export class IsaSerial extends IsaDevice {
  index = UNSET;
  iobase = UNSET;
  irq = UNSET;
  baudbase = 115200;
  wakeup = false;
  output: Chardev | undefined;
  #part: BoardPart | undefined;
  readonly #system: System;

  constructor(type: ConstructorParameters<typeof Device>[0], system: System) {
    super(type);
    this.#system = system;
  }

  /** @throws Error on a bus without ports */
  get part(): BoardPart {
    if (this.#part === undefined) throw new Error('the serial port has no ports');
    return this.#part;
  }

  protected override async onRealize(): Promise<void> {
    const bus = this.ports;
    if (bus === undefined) return;
    const others = bus.devices().filter((device) => device instanceof IsaSerial && device !== this) as IsaSerial[];
    if (this.index === UNSET) this.index = places.findIndex((_, index) => others.every((port) => port.index !== index));
    const place = places[this.index];
    if (place === undefined) throw new QemuError(`Max. supported number of ISA serial ports is ${places.length}.`);
    if (this.iobase === UNSET) this.iobase = place.iobase;
    if (this.irq === UNSET) this.irq = place.irq;
    bus.map(this, { label: 'serial', base: this.iobase, size: UART_PORTS });
    const core = this.#system.types.get('serial')?.create() as SerialCore;
    core.port = this;
    this.addChild('serial', core);
    await core.realize();
    this.#part = this.#open();
  }

  #open(): BoardPart {
    const registers = SerialMemory.create();
    const pin = new IrqPin();
    const backend = new SerialBackend(registers, pin);
    if (this.output !== undefined) backend.connect(this.output.attach(backend));
    return {
      space: 'ports',
      device: { model: 'serial', base: this.iobase, gsi: this.irq, registers },
      pin,
      poll: () => backend.poll(),
      reset: () => backend.reset(),
      close: () => backend.flush(),
    };
  }
}

function number(field: 'index' | 'iobase' | 'irq' | 'baudbase', defaultValue: number): Property {
  return qdevProp.uint32<IsaSerial>({
    get: (port) => port[field],
    set: (port, value) => {
      refuseAfterRealize(port, field);
      port[field] = value;
    },
    defaultValue,
  });
}

export function defineIsaSerial(system: System): void {
  const { types } = system;
  types.define({
    name: 'serial',
    parent: 'device',
    create: (type) => new SerialCore(type),
    data: { userCreatable: false },
    properties: {
      wakeup: qdevProp.bool<SerialCore>({ get: ({ port }) => port?.wakeup ?? false }),
      chardev: qdevProp.str<SerialCore>({ get: ({ port }) => port?.output?.label ?? '' }),
      baudbase: qdevProp.uint32<SerialCore>({ get: ({ port }) => port?.baudbase ?? 0 }),
    },
  });
  types.define({
    name: 'isa-serial',
    parent: 'isa-device',
    create: (type) => new IsaSerial(type, system),
    data: { category: 'Input' },
    properties: {
      irq: number('irq', UNSET),
      index: number('index', UNSET),
      iobase: number('iobase', UNSET),
      wakeup: qdevProp.bool<IsaSerial>({
        get: (port) => port.wakeup,
        set: (port, on) => {
          refuseAfterRealize(port, 'wakeup');
          port.wakeup = on;
        },
        description: 'on/off',
        defaultValue: false,
      }),
      chardev: chardevProperty<IsaSerial>(system, 'output'),
      baudbase: number('baudbase', 115200),
      serial: { type: 'child<serial>', flavour: 'object', listing: 'class' },
    },
  });
}
