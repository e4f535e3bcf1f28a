import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { UART_WORDS, Uart } from '../../src/hw/char/serial/uart.js';
import { I8042, I8042_WORDS } from '../../src/hw/input/i8042/controller.js';
import { CMOS_BYTES, Mc146818 } from '../../src/hw/rtc/mc146818/rtc.js';
import { LevelIrq } from './port-script.js';

// What a guest may do to the board's devices, and what must hold whatever it does.

const byte = fc.nat(255);
const written = fc.option(byte, { nil: undefined });

/** Accesses of a serial port (offsets beyond its ports too), and bytes that come in. */
export const uartSteps = fc.array(
  fc.oneof(fc.record({ offset: fc.nat(9), value: written }), fc.record({ receive: byte })),
  { maxLength: 200 },
);

type UartSteps = typeof uartSteps extends fc.Arbitrary<infer T> ? T : never;

/** Registers are bytes, and the line is up exactly while a cause is shown. */
export function uartHolds(steps: UartSteps): void {
  const irq = new LevelIrq();
  const uart = new Uart(new Int32Array(UART_WORDS), {
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    transmit: (value) => value % 3 > 0,
    drained() {},
  });
  uart.reset();
  for (const step of steps) {
    if ('receive' in step) uart.receive(step.receive);
    else if (step.value !== undefined) uart.write(step.offset, step.value);
    else {
      const { up } = irq;
      const value = uart.read(step.offset);
      assert.ok(isByte(value));
      if (step.offset === 2) assert.is((value & 1) === 0, up);
    }
    assert.ok(uart.room >= 0 && uart.room <= 16);
  }
  uart.transmitterReady();
  uart.reset();
  assert.is(uart.read(5), 0x60);
  assert.is(irq.up, false);
}

export const keyboardSteps = fc.array(fc.record({ command: fc.boolean(), value: written }), { maxLength: 60 });

/** Registers are bytes, and the line is up only while there is an answer. */
export function keyboardHolds(steps: readonly { command: boolean; value: number | undefined }[]): void {
  const irq = new LevelIrq();
  const controller = new I8042(new Int32Array(I8042_WORDS), {
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    reset() {},
  });
  controller.reset();
  for (const { command, value } of steps) {
    if (value === undefined) assert.ok(isByte(command ? controller.readStatus() : controller.readData()));
    else if (command) controller.writeCommand(value);
    else controller.writeData(value);
    if (irq.up) assert.is(controller.readStatus() & 1, 1);
  }
}

export const clockSteps = fc.array(fc.record({ register: fc.nat(127), value: written, pass: fc.nat(100_000) }), {
  maxLength: 50,
});

/** Registers are bytes, and what comes next is in the future. */
export function clockHolds(steps: readonly { register: number; value: number | undefined; pass: number }[]): void {
  let now = Date.UTC(2026, 10, 23);
  const state = { cmos: new Uint8Array(CMOS_BYTES), times: new Float64Array(2) };
  const rtc = new Mc146818(state, () => now, { interrupt() {}, rescheduled() {} });
  rtc.powerOn(0);
  for (const { register, value, pass } of steps) {
    if (value !== undefined) rtc.write(register, value);
    const result = rtc.read(register);
    assert.ok(isByte(result), `register ${register}: ${result}`);
    const next = rtc.nextEvent();
    assert.ok(next === undefined || next > 0);
    now += pass;
    rtc.tick();
  }
}

function isByte(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}
