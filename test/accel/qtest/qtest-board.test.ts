import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QtestBoard } from '../../../accel/qtest/qtest-board.js';
import { SharedIrqWords } from '../../../src/hw/intc/irq-lines.js';
import type { LineChange } from '../../../src/qtest/target.js';
import { GuestMemory } from '../../../src/system/guest-memory.js';
import { IoBus } from '../../../src/system/io-bus.js';
import { SparseRam } from '../../support/sparse-ram.js';

const test = suite('accel/qtest/qtest-board');

/** 4 KiB of RAM at 0 and at 0x2000, a device of 16 bytes at 0x1000 whose accesses are noted, and at port 0x80. */
function board() {
  const ram = new SparseRam(0x2000);
  const memory = new GuestMemory([
    { base: 0, ram, offset: 0, size: 0x1000 },
    { base: 0x2000, ram, offset: 0x1000, size: 0x1000 },
  ]);
  const accesses: string[] = [];
  const window = {
    read(offset: number, data: Uint8Array) {
      accesses.push(`r${offset}/${data.length}`);
      data.fill(offset);
    },
    write: (offset: number, data: Uint8Array) => void accesses.push(`w${offset}/${data.length}`),
  };
  const devices = {
    ports: new IoBus([{ base: 0x80, size: 4, window }]),
    mmio: new IoBus([{ base: 0x1000, size: 16, window }]),
  };
  const lines = new SharedIrqWords();
  const changes: LineChange[] = [];
  return {
    board: new QtestBoard(2, memory, devices, lines.buffer, (change) => changes.push(change)),
    lines,
    changes,
    accesses,
  };
}

test('a range is cut into RAM and aligned accesses of registers', () => {
  const { board: it, accesses } = board();
  it.writeMemory(0xffe, new Uint8Array(2 + 7).fill(0xaa));
  assert.equal(accesses, ['w0/4', 'w4/2', 'w6/1']);
  accesses.length = 0;
  assert.equal([...it.readMemory(0xffd, 5)], [0, 0xaa, 0xaa, 0, 0]);
  assert.equal([...it.readMemory(0x1005, 3)], [5, 6, 6]);
  assert.equal(accesses, ['r0/2', 'r5/1', 'r6/2']);
  it.writeMemory(0x2000, Uint8Array.of(7));
  assert.equal([...it.readMemory(0x1fff, 2)], [0xff, 7]);
});

test('ports are those of chips and devices', () => {
  const { board: it } = board();
  it.writePort(0x21, 1, 0x5a);
  assert.is(it.readPort(0x21, 1), 0x5a);
  assert.is(it.readPort(0x82, 2), 0x0202);
  assert.is(it.readPort(0x300, 4), 0xffffffff);
});

test('a watched device tells of its pins alone, the timer among them', () => {
  const { board: it, lines, changes } = board();
  it.watch({ first: 8, count: 8 });
  for (const gsi of [4, 12, 16]) lines.raise(gsi);
  it.follow();
  assert.equal(changes, [{ pin: 4, level: true }]);
  it.watch({ first: 0, count: 24 });
  changes.length = 0;
  for (const [port, value] of [
    [0x43, 0x30],
    [0x40, 10],
    [0x40, 0],
  ] as const) {
    it.writePort(port, 1, value);
  }
  assert.is(it.stepClock(1), 1);
  assert.is(it.stepClock(undefined), Math.ceil(10e9 / 1193182));
  assert.equal(changes, [{ pin: 0, level: true }]);
  assert.is(it.stepClock(undefined), Math.ceil(10e9 / 1193182));
  assert.is(it.setClock(5), Math.ceil(10e9 / 1193182));
});

test('a fast timer does not hold up a step of years', () => {
  const { board: it } = board();
  it.writePort(0x43, 1, 0x14);
  it.writePort(0x40, 1, 2);
  assert.is(it.stepClock(1e17), 1e17);
});

test.run();
