import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GedMemory } from '../../../src/hw/acpi/ged.js';
import { SerialMemory } from '../../../src/hw/char/serial/serial-memory.js';
import { type BoardPlan, boardPorts } from '../../../src/hw/i386/board.js';
import { ged, SERIAL_PORT, virtioSlot } from '../../../src/hw/i386/memory-layout.js';
import { openBoard } from '../../../src/hw/i386/open-board.js';
import { I8042Memory } from '../../../src/hw/input/i8042/window.js';
import { RtcMemory } from '../../../src/hw/rtc/mc146818/window.js';
import { createRegisters } from '../../../src/hw/virtio/registers.js';
import { answerBell, createBell } from '../../../src/system/doorbell.js';
import { deadline } from '../../support/deadline.js';
import { CountingIrq } from '../../support/virtio-driver.js';

const test = suite('hw/i386/open-board');

function makePlan() {
  const { rope: bell, listener } = createBell();
  const slot = virtioSlot(7, false);
  const virtio = createRegisters({
    deviceId: 19,
    features: 0n,
    queueSizes: [8],
    config: new Uint8Array(8),
    legacy: false,
  });
  const plan: BoardPlan = {
    ports: [
      { model: 'serial', base: SERIAL_PORT, gsi: 4, registers: SerialMemory.create(), bell },
      { model: 'i8042', base: 0x60, gsi: 1, registers: I8042Memory.create(), bell },
      { model: 'rtc', base: 0x70, gsi: 8, registers: RtcMemory.create(0), bell },
    ],
    mmio: [
      { model: 'ged', base: ged.selector, gsi: ged.irq, registers: GedMemory.create(), bell },
      { model: 'virtio-mmio', base: slot.base, registers: virtio.buffer },
    ],
  };
  return { plan, listener };
}

const read = (bus: { read(at: number, data: Uint8Array): void }, at: number, size: number): number[] => {
  const data = new Uint8Array(size);
  bus.read(at, data);
  return [...data];
};

test('every device answers at its place, and nothing anywhere else', () => {
  const { plan, listener } = makePlan();
  const { ports, mmio } = openBoard(plan, () => new CountingIrq());
  assert.equal(read(ports, 0x3fd, 1), [0x60]);
  assert.equal(read(ports, 0x64, 1), [0x14]);
  ports.write(0x70, Uint8Array.of(0x0d));
  assert.equal(read(ports, 0x71, 1), [0x80]);
  assert.equal(read(ports, 0x61, 1), [0xff]);
  assert.equal(read(mmio, 0xfeb00e00, 4), [...Buffer.from('virt')]);
  assert.equal(read(mmio, 0xfeb00e08, 4), [19, 0, 0, 0]);
  assert.equal(read(mmio, 0xfea00000, 4), [0, 0, 0, 0]);
  assert.equal(read(mmio, 0xfea00201, 1), [0]);
  assert.equal(read(mmio, 0xfeb00c00, 4), [255, 255, 255, 255]);
  listener.port.close();
});

test('the vCPU is told when it has asked for the reset or the end of the machine', () => {
  const { plan, listener } = makePlan();
  let asked = 0;
  const { ports, mmio } = openBoard(
    plan,
    () => new CountingIrq(),
    () => {
      asked += 1;
    },
  );
  ports.write(0x3f8, Uint8Array.of(0x41));
  ports.write(0x64, Uint8Array.of(0xad));
  assert.is(asked, 0);
  ports.write(0x64, Uint8Array.of(0xfe));
  assert.is(asked, 1);
  mmio.write(ged.reset, Uint8Array.of(ged.resetValue));
  assert.is(asked, 2);
  listener.port.close();
});

test('a plan with a model that there is not cannot be opened', () => {
  const plan = { ports: [{ model: 'floppy', base: 0x3f0, registers: new SharedArrayBuffer(4) }], mmio: [] };
  assert.throws(() => openBoard(plan, () => new CountingIrq()), "no device model 'floppy'");
});

test('a plan goes to another thread, whose writes ring the bell of this one', async () => {
  const { plan, listener } = makePlan();
  const module = new URL('../../../src/hw/i386/open-board.js', import.meta.url).href;
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     import(workerData.module).then(({ openBoard }) => {
       const line = { raise() {}, lower() {}, pulse() {} };
       const { ports } = openBoard(workerData.plan, () => line);
       for (const byte of Buffer.from('hello')) ports.write(0x3f8, Uint8Array.of(byte));
       ports.write(0x64, Uint8Array.of(0xfe));
     });`,
    { eval: true, workerData: { module, plan }, transferList: boardPorts(plan) },
  );
  const [serial, i8042] = plan.ports;
  const output = new SerialMemory(serial?.registers ?? new SharedArrayBuffer(0)).output;
  const keyboard = new I8042Memory(i8042?.registers ?? new SharedArrayBuffer(0));
  let text = '';
  await deadline(
    'the bell',
    new Promise<void>((resolve) => {
      answerBell(listener, () => {
        text += Buffer.from(output.take(100)).toString();
        if (keyboard.takeReset()) resolve();
      });
    }),
  );
  assert.is(text, 'hello');
  await worker.terminate();
  listener.port.close();
});

test.run();
