import { Doorbell } from '../../system/doorbell.js';
import { IoBus, type IoMapping } from '../../system/io-bus.js';
import type { IrqLine } from '../../system/irq.js';
import { gedMappings } from '../acpi/ged.js';
import { UART_PORTS } from '../char/serial/uart.js';
import { serialWindow } from '../char/serial/window.js';
import { i8042Mappings } from '../input/i8042/window.js';
import { pvPanicWindow } from '../misc/pvpanic.js';
import { RTC_PORTS, rtcWindow } from '../rtc/mc146818/window.js';
import { VirtioMmio } from '../virtio/mmio.js';
import { VirtioRegisters } from '../virtio/registers.js';
import type { BoardDevice, OpenBoard } from './board.js';
import { VIRTIO_MMIO_SIZE } from './memory-layout.js';

/** @param ask rings, and tells that the machine is to be reset or to end */
type Open = (device: BoardDevice, irq: IrqLine, ring: () => void, ask: () => void) => IoMapping[];

const silentLine: IrqLine = { raise() {}, lower() {}, pulse() {} };

const models: Readonly<Record<string, Open>> = {
  serial: ({ base, registers }, irq, ring) => [{ base, size: UART_PORTS, window: serialWindow(registers, irq, ring) }],
  i8042: ({ registers }, irq, _ring, ask) => i8042Mappings(registers, irq, ask),
  pvpanic: ({ base, registers }, _irq, ring) => [{ base, size: 1, window: pvPanicWindow(registers, ring) }],
  rtc: ({ base, registers }, irq, ring) => [{ base, size: RTC_PORTS, window: rtcWindow(registers, irq, ring) }],
  ged: ({ registers }, _irq, _ring, ask) => gedMappings(registers, ask),
  'virtio-mmio': ({ base, registers }, _irq, ring) => {
    const window = new VirtioMmio(new VirtioRegisters(registers), { doorbell: ring, guestError() {} });
    return [{ base, size: VIRTIO_MMIO_SIZE, window }];
  },
};

/**
 * Opens the devices that vCPUs touch synchronously, in the calling thread.
 *
 * @throws Error for a model that there is not, or windows that overlap
 */
export const openBoard: OpenBoard = (plan, irq, asked) => {
  const open = (device: BoardDevice): IoMapping[] => {
    const model = models[device.model];
    if (model === undefined) throw new Error(`no device model '${device.model}'`);
    const { gsi, bell } = device;
    const doorbell = bell === undefined ? undefined : new Doorbell(bell);
    const ring = () => doorbell?.ring();
    const ask = () => {
      ring();
      asked?.();
    };
    return model(device, gsi === undefined ? silentLine : irq(gsi), ring, ask);
  };
  return { ports: new IoBus(plan.ports.flatMap(open)), mmio: new IoBus(plan.mmio.flatMap(open)) };
};
