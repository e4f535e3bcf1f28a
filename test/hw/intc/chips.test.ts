import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InterruptChips } from '../../../src/hw/intc/chips.js';
import { IoBus } from '../../../src/system/io-bus.js';

const test = suite('hw/intc/chips');

/** A machine's chips under a clock that is set by hand; signals are noted as text. */
function machine(cpus = 1) {
  const clock = { now: 0 };
  const signals: string[] = [];
  const chips = new InterruptChips({
    cpus,
    now: () => clock.now,
    signals: {
      nmi: (cpu) => signals.push(`nmi ${cpu}`),
      init: (cpu) => signals.push(`init ${cpu}`),
      sipi: (cpu, vector) => signals.push(`sipi ${cpu} ${vector}`),
    },
  });
  const ports = new IoBus(chips.ports);
  const mmio = new IoBus(chips.mmio);
  const word = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
  return {
    chips,
    signals,
    outb: (port: number, value: number) => ports.write(port, Uint8Array.of(value)),
    inb(port: number) {
      const data = new Uint8Array(1);
      ports.read(port, data);
      return data[0];
    },
    redirect(pin: number, low: number, high = 0) {
      for (const [i, value] of [low, high].entries()) {
        mmio.write(0xfec00000, word(0x10 + 2 * pin + i));
        mmio.write(0xfec00010, word(value));
      }
    },
    at(now: number) {
      clock.now = now;
      chips.advance(now);
    },
  };
}

/** As BIOS and Linux initialise the PICs. */
function initPics({ outb }: { outb: (port: number, value: number) => void }) {
  for (const [port, base] of [
    [0x20, 0x30],
    [0xa0, 0x38],
  ] as const) {
    outb(port, 0x11);
    outb(port + 1, base);
    outb(port + 1, port === 0x20 ? 4 : 2);
    outb(port + 1, 1);
  }
}

test('after reset an ISA interrupt reaches the boot CPU through PIC and LINT0, and no other CPU', () => {
  const board = machine(2);
  initPics(board);
  board.chips.applyLines(1 << 12, 1 << 12);
  assert.is(board.chips.pendingVector(0), 0x3c);
  assert.is(board.chips.pendingVector(1), undefined);
  assert.is(board.chips.acknowledge(0), 0x3c);
  assert.is(board.chips.pendingVector(0), undefined);
  board.outb(0xa0, 0x20);
  board.outb(0x20, 0x20);
  board.chips.applyLines(1 << 12, 1 << 12);
  assert.is(board.chips.pendingVector(0), 0x3c);
});

test('a level pin interrupts again after EOI as long as its line is up', () => {
  const { chips, redirect, outb } = machine();
  outb(0x21, 0xff);
  redirect(11, 0x8041);
  chips.applyLines(1 << 11, 1 << 11);
  assert.is(chips.acknowledge(0), 0x41);
  assert.is(chips.pendingVector(0), undefined);
  chips.apic(0).writeRegister(0xb0, 0);
  assert.is(chips.pendingVector(0), 0x41);
  chips.acknowledge(0);
  chips.applyLines(0, 0);
  chips.apic(0).writeRegister(0xb0, 0);
  assert.is(chips.pendingVector(0), undefined);
});

test('INIT and SIPI start the other CPUs once', () => {
  const { chips, signals } = machine(3);
  const apic = chips.apic(0);
  apic.writeRegister(0x310, 1 << 24);
  for (const command of [0xc500, 0x8500, 0x4609, 0x4609]) apic.writeRegister(0x300, command);
  apic.writeRegister(0x300, 0xc4607);
  assert.equal(signals, ['init 1', 'sipi 1 9', 'sipi 2 7']);
});

test('the timers of PIT and local APIC expire at their deadlines', () => {
  const board = machine();
  initPics(board);
  board.outb(0x43, 0x34);
  board.outb(0x40, 0xa9);
  board.outb(0x40, 0x04);
  const due = Math.ceil((1192 * 1e9) / 1193182);
  assert.is(board.chips.nextDeadline(), due);
  board.at(due);
  assert.is(board.chips.pendingVector(0), undefined);
  board.at(board.chips.nextDeadline());
  assert.is(board.chips.acknowledge(0), 0x30);
  board.outb(0x43, 0x30);

  const apic = board.chips.apic(0);
  apic.writeRegister(0x320, 0x20080);
  apic.writeRegister(0x3e0, 0xb);
  const start = due + 1000;
  board.at(start);
  apic.writeRegister(0x380, 500);
  assert.is(board.chips.nextDeadline(), start + 500);
  board.at(start + 1600);
  assert.is(board.chips.acknowledge(0), 0x80);
  assert.is(board.chips.nextDeadline(), start + 2000);
  assert.is(apic.readRegister(0x390), 400);
});

test.run();
