import { fileURLToPath } from 'node:url';
import { numbers, type PortAccess, type PortResult } from './port-script.js';

const BASE = 0x3f8;
const DATA = 0;
const INTERRUPT_ENABLE = 1;
const FIFO_CONTROL = 2;
const LINE_CONTROL = 3;
const MODEM_CONTROL = 4;
const LATCH = 0x80;
const LOOP_BACK = 0x10;

/**
 * Random accesses of a serial port, most of them in loop-back, where what is written is received. The divisor stays at
 * the fastest rate, so that characters take no time worth waiting for.
 */
export function uartScript(seed: number, length: number): PortAccess[] {
  const random = numbers(seed);
  const below = (limit: number) => random() % limit;
  const at = (offset: number, value?: number): PortAccess => ({ port: BASE + offset, value });
  // QEMU's reset leaves the FIFO control as it was.
  const script = [at(FIFO_CONTROL, 1), at(FIFO_CONTROL, 0), at(LINE_CONTROL, LATCH), at(DATA, 1)];
  script.push(at(INTERRUPT_ENABLE, 0), at(LINE_CONTROL, 3));
  let latch = false;
  while (script.length < length) {
    const kind = below(16);
    if (kind < 5) script.push(at(below(8)));
    else if (kind < 9) script.push(at(DATA, latch ? 1 : below(256)));
    else if (kind === 9) {
      latch = below(8) === 0;
      script.push(at(LINE_CONTROL, (latch ? LATCH : 0) | below(4)));
    } else if (kind === 10) script.push(at(MODEM_CONTROL, below(32) | (below(3) > 0 ? LOOP_BACK : 0)));
    else if (kind === 11) script.push(at(FIFO_CONTROL, (below(4) << 6) | below(8)));
    else if (kind < 14) script.push(at(INTERRUPT_ENABLE, latch ? 0 : below(256)));
    else if (kind === 14) script.push(at(7, below(256)));
    // Bursts, for overruns and trigger levels.
    else for (let i = below(20); i > 0 && !latch; i--) script.push(at(DATA, below(256)));
  }
  return script.slice(0, length);
}

/** Scripts whose answers of QEMU are kept for npm test (test/e2e/board-devices.test.ts writes them with RECORD=1). */
export const RECORDED_SEEDS = [11, 222, 3333, 44_444, 555_555, 6_666_666];
export const RECORDED_LENGTH = 120;
export const recording = fileURLToPath(new URL('../../../test/hw/char/serial/uart.json', import.meta.url));

/** Data that reaches the trigger level is told as such or, some time later, as a time-out: both are the same here. */
export function comparable(
  results: readonly PortResult[],
  script: readonly PortAccess[],
): [read: number, line: number][] {
  return results.map(({ read = -1, line }, i) => {
    const timeout = script[i]?.port === BASE + FIFO_CONTROL && (read & 0x0f) === 0x0c;
    return [timeout ? read & ~0x08 : read, line ? 1 : 0];
  });
}
