import { byteWindow } from '../../../system/byte-window.js';
import type { IoWindow } from '../../../system/io-bus.js';
import type { IrqLine } from '../../../system/irq.js';
import { SerialMemory } from './serial-memory.js';

/**
 * A guest that writes although the transmitter shows itself not empty is held this long for each byte, which a slow
 * reader needs less than; with one that reads nothing the byte is lost, as on a wire. Linux's console writes so after 10 ms.
 */
const FULL_WAIT_MS = 50;

/** The ports of a 16550A in the thread of a vCPU. @param ring wakes the thread that has the character device */
export function serialWindow(registers: SharedArrayBuffer, irq: IrqLine, ring: () => void): IoWindow {
  const memory = new SerialMemory(registers);
  const uart = memory.uart({
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    transmit: (byte) => {
      memory.output.push(byte);
      ring();
      return memory.hasRoom;
    },
    drained: () => {
      if (memory.inputWaits) ring();
    },
  });
  return byteWindow({
    read: (offset) => memory.lock.run(() => uart.read(offset)),
    write: (offset, value) => {
      // Not under the lock, which the main thread takes too.
      memory.output.awaitRoom(FULL_WAIT_MS);
      memory.lock.run(() => uart.write(offset, value));
    },
  });
}
