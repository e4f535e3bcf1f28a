import type { Chardev } from '../../chardev/chardev.js';
import { chardevProperty } from '../../chardev/property.js';
import { Bus } from '../../qdev/bus.js';
import { Device, refuseAfterRealize } from '../../qdev/device.js';
import { type Property, qdevProp } from '../../qom/property.js';
import type { System } from '../../system/system.js';

/** The board chooses. */
const UNSET = 0xffffffff;

/** A serial port as users name one (hw/char/serial-isa.c). What moves its bytes is the affair of the bus it is on. */
export class IsaSerial extends Device {
  index = UNSET;
  iobase = UNSET;
  irq = UNSET;
  baudbase = 115200;
  wakeup = false;
  output: Chardev | undefined;
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

export function defineIsaTypes(system: System): void {
  const { types } = system;
  types.define({ name: 'ISA', parent: 'bus', create: (type) => new Bus(type) });
  types.define({ name: 'isa-device', parent: 'device', abstract: true, data: { bus: 'ISA' } });
  types.define({
    name: 'isa-serial',
    parent: 'isa-device',
    create: (type) => new IsaSerial(type),
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
