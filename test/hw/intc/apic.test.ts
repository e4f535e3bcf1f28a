import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chipsBoard } from '../../support/chips-board.js';

const test = suite('hw/intc/apic');

// Offsets of registers (SDM volume 3, table 11-1).
const TPR = 0x80;
const EOI = 0xb0;
const LOGICAL_ID = 0xd0;
const FORMAT = 0xe0;
const SPURIOUS = 0xf0;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const TIMER = 0x320;
const ERROR = 0x370;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;

/** CPUs with APICs that are on and have the logical ids of Linux's flat mode. */
function cpus(count: number) {
  const board = chipsBoard(count);
  const apics = Array.from({ length: count }, (_, cpu) => board.chips.apic(cpu));
  for (const apic of apics) {
    apic.writeRegister(SPURIOUS, 0x1ff);
    apic.writeRegister(LOGICAL_ID, (1 << apic.cpu) << 24);
  }
  const [first] = apics;
  if (first === undefined) throw new Error('no CPU');
  const send = (low: number, destination: number) => {
    first.writeRegister(ICR_HIGH, destination << 24);
    first.writeRegister(ICR_LOW, low);
  };
  const pending = () => apics.map(({ pending }) => pending);
  return { ...board, apics, first, send, pending };
}

test('INIT and SIPI start the other CPUs once', () => {
  const { signals, send } = cpus(3);
  for (const command of [0xc500, 0x8500, 0x4609, 0x4609]) send(command, 1);
  send(0xc4607, 0);
  assert.equal(signals, ['init 1', 'sipi 1 9', 'sipi 2 7']);
});

test('INIT resets the local APIC and lets the CPU wait for SIPI again', () => {
  const { apics, signals, send, chips } = cpus(2);
  send(0x4609, 1);
  apics[1]?.writeRegister(TPR, 0x80);
  send(0x4041, 1);
  send(0x4500, 1);
  assert.is(apics[1]?.tpr, 0);
  assert.is(apics[1]?.readRegister(SPURIOUS), 0xff);
  assert.is(chips.pendingVector(1), undefined);
  send(0x460a, 1);
  assert.equal(signals, ['sipi 1 9', 'init 1', 'sipi 1 10']);
});

test('a fixed interrupt goes to each CPU that its destination names', () => {
  for (const [low, destination, expected] of [
    [0x4050, 2, [-1, -1, 0x50, -1]],
    [0x4050, 0xff, [0x50, 0x50, 0x50, 0x50]],
    [0x4850, 0b1010, [-1, 0x50, -1, 0x50]],
    [0x44050, 0, [0x50, -1, -1, -1]],
    [0x84050, 0, [0x50, 0x50, 0x50, 0x50]],
    [0xc4050, 0, [-1, 0x50, 0x50, 0x50]],
  ] as const) {
    const { send, pending } = cpus(4);
    send(low, destination);
    assert.equal(pending(), [...expected], `0x${low.toString(16)} to ${destination}`);
  }
});

test('clusters are named by the high half of a logical destination, their members by the low one', () => {
  const { apics, send, pending } = cpus(4);
  for (const apic of apics) {
    apic.writeRegister(FORMAT, 0x0fffffff);
    apic.writeRegister(LOGICAL_ID, (((apic.cpu >> 1) << 4) | (1 << (apic.cpu & 1))) << 24);
  }
  send(0x4860, 0x13);
  assert.equal(pending(), [-1, -1, 0x60, 0x60]);
  send(0x4861, 0x02);
  assert.equal(pending(), [-1, 0x61, 0x60, 0x60]);
});

test('lowest priority goes to the CPU with the least important work', () => {
  const { apics, send, pending } = cpus(3);
  apics[0]?.writeRegister(TPR, 0x40);
  apics[1]?.writeRegister(TPR, 0x20);
  send(0x4970, 0b011);
  assert.equal(pending(), [-1, 0x70, -1]);
});

test('an interrupt waits for more important ones to end', () => {
  const { first, send, chips } = cpus(1);
  send(0x40081, 0);
  send(0x40055, 0);
  assert.is(chips.acknowledge(0), 0x81);
  assert.is(chips.pendingVector(0), undefined);
  assert.is(first.ppr, 0x80);
  send(0x400a0, 0);
  assert.is(chips.acknowledge(0), 0xa0);
  first.writeRegister(EOI, 0);
  first.writeRegister(EOI, 0);
  assert.is(chips.acknowledge(0), 0x55);
});

test('a task priority of the same class holds an interrupt back', () => {
  const { first, send, chips } = cpus(1);
  first.tpr = 0x50;
  send(0x4005f, 0);
  assert.is(chips.pendingVector(0), undefined);
  first.tpr = 0x4f;
  assert.is(chips.pendingVector(0), 0x5f);
});

test('illegal vectors and registers are told by the error status and its interrupt', () => {
  const { first, send, chips } = cpus(1);
  first.writeRegister(ERROR, 0xee);
  send(0x4000f, 0);
  assert.is(first.readRegister(ESR), 0);
  first.writeRegister(ESR, 0);
  assert.is(first.readRegister(ESR), 0x20);
  assert.is(chips.acknowledge(0), 0xee);
  first.readRegister(0x40);
  first.writeRegister(TIMER, 0x0f);
  first.writeRegister(INITIAL, 1);
  chips.advance(2);
  first.writeRegister(ESR, 0);
  assert.is(first.readRegister(ESR), 0xc0);
  first.writeRegister(ESR, 0);
  assert.is(first.readRegister(ESR), 0);
});

test('a local APIC that software disabled takes NMIs, but no interrupts', () => {
  const { first, send, chips, signals, redirect } = cpus(1);
  first.writeRegister(TIMER, 0x40);
  first.writeRegister(SPURIOUS, 0xff);
  assert.is(first.readRegister(TIMER), 0x10040);
  first.writeRegister(TIMER, 0x40);
  assert.is(first.readRegister(TIMER), 0x10040);
  redirect(9, 0x70);
  chips.applyLines(1 << 9, 1 << 9);
  send(0x4400, 0);
  assert.is(chips.pendingVector(0), undefined);
  assert.equal(signals, ['nmi 0']);
});

test('the NMI button reaches CPUs through LINT1', () => {
  const { chips, signals, apics } = cpus(2);
  chips.injectNmi();
  apics[1]?.writeRegister(0x360, 0x400);
  chips.injectNmi();
  assert.equal(signals, ['nmi 0', 'nmi 0', 'nmi 1']);
});

test('with IA32_APIC_BASE off, interrupts of the PIC pass and no others come', () => {
  const { chips, first, send, initPics } = cpus(1);
  assert.is(first.base, 0xfee00900);
  first.base = 0xfee00100;
  assert.is(first.base, 0xfee00100);
  initPics();
  send(0x4041, 0);
  assert.is(chips.pendingVector(0), undefined);
  chips.applyLines(1 << 4, 1 << 4);
  assert.is(chips.pendingVector(0), 0x34);
  first.base = 0xfee00900;
  assert.is(chips.pendingVector(0), undefined);
});

test('the periodic timer comes every count, and once when several are late', () => {
  const { chips, first, at } = cpus(1);
  first.writeRegister(TIMER, 0x20080);
  first.writeRegister(DIVIDE, 0x3);
  at(1000);
  first.writeRegister(INITIAL, 50);
  assert.is(chips.nextDeadline(), 1000 + 50 * 16);
  at(1000 + 3 * 800 + 160);
  assert.is(chips.acknowledge(0), 0x80);
  assert.is(chips.nextDeadline(), 1000 + 4 * 800);
  assert.is(first.readRegister(CURRENT), 40);
  at(1000 + 4 * 800 - 1);
  assert.is(chips.pendingVector(0), undefined);
  assert.is(first.readRegister(CURRENT), 1);
  first.writeRegister(INITIAL, 0);
  assert.is(chips.nextDeadline(), Infinity);
  assert.is(first.readRegister(CURRENT), 0);
});

test('the TSC deadline is armed by its register and cleared when it comes', () => {
  const { chips, first, at } = cpus(1);
  const { timer } = first;
  timer.setTscDeadline(5000n, 2000);
  assert.is(timer.tscDeadline, 0n);
  first.writeRegister(TIMER, 0x40080);
  first.writeRegister(INITIAL, 77);
  assert.is(chips.nextDeadline(), Infinity);
  timer.setTscDeadline(5000n, 2000);
  assert.is(timer.tscDeadline, 5000n);
  assert.is(chips.nextDeadline(), 2000);
  at(2000);
  assert.is(timer.tscDeadline, 0n);
  assert.is(chips.acknowledge(0), 0x80);
  timer.setTscDeadline(9000n, 3000);
  first.writeRegister(TIMER, 0x80);
  assert.is(chips.nextDeadline(), Infinity);
});

test('registers are 32 bits at multiples of 16; other accesses do nothing', () => {
  const { first } = cpus(1);
  const read = (offset: number, size: number) => {
    const data = new Uint8Array(size).fill(0xee);
    first.read(offset, data);
    return [...data];
  };
  assert.equal(read(0x30, 4), [0x14, 0, 5, 0]);
  assert.equal(read(0x32, 1), [5]);
  assert.equal(read(0x32, 4), [0, 0, 0, 0]);
  assert.equal(read(0x30, 8), [0, 0, 0, 0, 0, 0, 0, 0]);
  first.write(0x80, Uint8Array.of(0x30));
  first.write(0x84, Uint8Array.of(0x30, 0, 0, 0));
  assert.is(first.tpr, 0);
  first.write(0x80, Uint8Array.of(0x30, 0, 0, 0));
  assert.is(first.tpr, 0x30);
});

test.run();
