import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { I8042Memory, i8042Mappings } from '../../../../src/hw/input/i8042/window.js';
import { IoBus } from '../../../../src/system/io-bus.js';
import { keyboardHolds, keyboardSteps } from '../../../support/board-fuzz.js';
import { LevelIrq } from '../../../support/port-script.js';

const test = suite('hw/input/i8042/controller');

function keyboard() {
  const registers = I8042Memory.create();
  const memory = new I8042Memory(registers);
  const irq = new LevelIrq();
  let rings = 0;
  const bus = new IoBus(
    i8042Mappings(registers, irq, () => {
      rings += 1;
    }),
  );
  const read = (port: number): number => {
    const data = new Uint8Array(1);
    bus.read(port, data);
    return data[0] ?? 0;
  };
  const write = (port: number, value: number) => bus.write(port, Uint8Array.of(value));
  return { memory, irq, read, write, rings: () => rings };
}

test('command 0xfe resets the machine, and so does the output port', () => {
  const { memory, read, write, rings } = keyboard();
  assert.is(read(0x64) & 3, 0);
  write(0x64, 0xfe);
  assert.is(rings(), 1);
  assert.is(memory.takeReset(), true);
  assert.is(memory.takeReset(), false);
  write(0x64, 0xff);
  assert.is(rings(), 1);
  write(0x64, 0xd1);
  write(0x60, 0x02);
  assert.is(memory.takeReset(), true);
});

test('the self-tests that drivers begin with pass', () => {
  const { read, write } = keyboard();
  for (const [command, answer] of [
    [0xaa, 0x55],
    [0xab, 0x00],
  ] as const) {
    write(0x64, command);
    assert.is(read(0x64) & 1, 1);
    assert.is(read(0x60), answer);
    assert.is(read(0x64) & 1, 0);
  }
});

test('the control byte is kept, and switches the interrupt of answers', () => {
  const { irq, read, write } = keyboard();
  write(0x64, 0x60);
  write(0x60, 0x74);
  write(0x64, 0x20);
  assert.is(read(0x60), 0x74);
  assert.is(irq.edges, 0);
  write(0x64, 0x60);
  write(0x60, 0x75);
  write(0x60, 0xf4);
  assert.is(irq.up, true);
  assert.is(read(0x60), 0xfa);
  assert.is(irq.up, false);
});

test('keyboard commands are acknowledged; a reset reports its test too', () => {
  const { read, write } = keyboard();
  write(0x60, 0xed);
  assert.is(read(0x60), 0xfa);
  write(0x60, 0xff);
  assert.equal([read(0x60), read(0x60), read(0x64) & 1], [0xfa, 0xaa, 0]);
});

test('a byte for the mouse goes nowhere', () => {
  const { read, write } = keyboard();
  write(0x64, 0xd4);
  write(0x60, 0xff);
  assert.is(read(0x64) & 1, 0);
});

test('whatever is accessed, answers are bytes', () => {
  fc.assert(fc.property(keyboardSteps, keyboardHolds));
});

test.run();
