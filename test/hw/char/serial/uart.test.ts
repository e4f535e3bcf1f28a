import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SerialMemory } from '../../../../src/hw/char/serial/serial-memory.js';
import { UART_WORDS, Uart } from '../../../../src/hw/char/serial/uart.js';
import { serialWindow } from '../../../../src/hw/char/serial/window.js';
import { uartHolds, uartSteps } from '../../../support/board-fuzz.js';
import { LevelIrq, runHere } from '../../../support/port-script.js';
import { comparable, RECORDED_LENGTH, RECORDED_SEEDS, recording, uartScript } from '../../../support/uart-scripts.js';

const test = suite('hw/char/serial/uart');

test('random accesses are answered as QEMU answers them', () => {
  const recorded = JSON.parse(readFileSync(recording, 'utf8')) as [number, number][][];
  assert.is(recorded.length, RECORDED_SEEDS.length);
  for (const [i, seed] of RECORDED_SEEDS.entries()) {
    const irq = new LevelIrq();
    const window = serialWindow(SerialMemory.create(), irq, () => {});
    const script = uartScript(seed, RECORDED_LENGTH);
    assert.equal(
      comparable(
        runHere(window, 0x3f8, () => irq.up, script),
        script,
      ),
      recorded[i],
      `seed ${seed}`,
    );
  }
});

function port({ takes = (): boolean => true } = {}) {
  const irq = new LevelIrq();
  const sent: number[] = [];
  let drained = 0;
  const uart = new Uart(new Int32Array(UART_WORDS), {
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    transmit: (byte) => {
      sent.push(byte);
      return takes();
    },
    drained: () => {
      drained += 1;
    },
  });
  uart.reset();
  return { uart, irq, sent, drained: () => drained };
}

test('every byte written makes an edge of the interrupt for an empty transmitter', () => {
  const { uart, irq, sent } = port();
  uart.write(1, 2);
  assert.is(irq.edges, 1);
  for (const byte of [1, 2, 3]) uart.write(0, byte);
  assert.equal(sent, [1, 2, 3]);
  assert.is(irq.edges, 4);
  assert.is(uart.read(2), 0x02);
  assert.is(irq.up, false);
  assert.is(uart.read(2), 0x01);
});

test('while nothing more is taken the transmitter is not empty, and interrupts when it is again', () => {
  let room = false;
  const { uart, irq } = port({ takes: () => room });
  uart.write(1, 2);
  uart.read(2);
  uart.write(0, 65);
  assert.is(uart.read(5), 0);
  assert.is(irq.up, false);
  room = true;
  uart.transmitterReady();
  assert.is(uart.read(5), 0x60);
  assert.is(irq.up, true);
  assert.is(uart.read(2), 0x02);
});

test('a FIFO takes 16 bytes, interrupts for fewer than its trigger level as a time-out, and tells when it is empty', () => {
  const { uart, irq, drained } = port();
  uart.write(2, 0xc1);
  uart.write(1, 1);
  assert.is(uart.room, 16);
  for (let i = 0; i < 13; i++) uart.receive(i);
  assert.is(uart.read(2), 0xcc);
  uart.receive(13);
  assert.is(uart.read(2), 0xc4);
  const before = drained();
  for (let i = 0; i < 14; i++) assert.is(uart.read(0), i);
  assert.is(drained(), before + 1);
  assert.is(irq.up, false);
  assert.is(uart.read(2), 0xc1);
});

test('a break shows in the line status once', () => {
  const { uart } = port();
  uart.receiveBreak();
  assert.is(uart.read(5), 0x71);
  assert.is(uart.read(5), 0x61);
  assert.is(uart.read(0), 0);
});

test('whatever is accessed, registers are bytes and the line is up exactly while a cause is shown', () => {
  fc.assert(fc.property(uartSteps, uartHolds));
});

test.run();
