import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CharPort } from '../../../../src/chardev/chardev.js';
import { SerialBackend } from '../../../../src/hw/char/serial/backend.js';
import { SerialMemory } from '../../../../src/hw/char/serial/serial-memory.js';
import { serialWindow } from '../../../../src/hw/char/serial/window.js';
import { answerBell, createBell } from '../../../../src/system/doorbell.js';
import { eventually } from '../../../support/deadline.js';
import { LevelIrq } from '../../../support/port-script.js';

const test = suite('hw/char/serial/backend');
const silent = { raise() {}, lower() {}, pulse() {} };

/** A character device that takes bytes while `open`. */
class Port implements CharPort {
  readonly chunks: Buffer[] = [];
  open = true;
  paused = false;
  readonly connected = true;
  readonly queued = 0;

  write(data: Uint8Array): boolean {
    this.chunks.push(Buffer.from(data));
    return this.open;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  disconnect(): void {}

  takeDescriptor(): undefined {
    return undefined;
  }
}

function machine() {
  const registers = SerialMemory.create();
  const irq = new LevelIrq();
  const backend = new SerialBackend(registers, irq);
  const port = new Port();
  let rung = false;
  const window = serialWindow(registers, irq, () => {
    rung = true;
  });
  // A bell is heard after the access, when its lock is free.
  const access = (work: () => void): void => {
    work();
    if (rung) backend.poll();
    rung = false;
  };
  const write = (offset: number, value: number) => access(() => window.write(offset, Uint8Array.of(value)));
  const read = (offset: number): number => {
    const data = new Uint8Array(1);
    access(() => window.read(offset, data));
    return data[0] ?? 0;
  };
  return { registers, backend, port, irq, write, read };
}

test('what is written before there is a character device is not lost', () => {
  const { backend, port, write } = machine();
  for (const byte of Buffer.from('first bytes')) write(0, byte);
  backend.connect(port);
  write(0, 0x21);
  assert.is(port.text, 'first bytes!');
});

test('a character device that takes no more holds the guest up, and nothing is lost', () => {
  const { backend, port, irq, write, read } = machine();
  backend.connect(port);
  port.open = false;
  let written = '';
  while ((read(5) & 0x20) !== 0) {
    // As drivers do: a whole FIFO when the transmitter is empty.
    for (let i = 0; i < 16; i++) {
      const char = String.fromCharCode(33 + (written.length % 90));
      write(0, char.charCodeAt(0));
      written += char;
    }
  }
  assert.ok(written.length > 60_000);
  write(1, 2);
  assert.is(irq.up, false);
  port.open = true;
  backend.drained();
  assert.is(port.text, written);
  assert.is(irq.up, true);
  assert.is(read(5), 0x60);
});

test('what is left goes out at the end, whether it is taken or not', () => {
  const { backend, port, write } = machine();
  backend.connect(port);
  port.open = false;
  for (const byte of Buffer.from('last words')) write(0, byte);
  backend.flush();
  assert.is(port.text, 'last words');
});

test('input waits until the guest has read what is there', () => {
  const { backend, port, read, write } = machine();
  backend.connect(port);
  write(2, 1);
  const input = Buffer.from('a line of input that is longer than the FIFO is');
  backend.receive(input.subarray(0, 20));
  backend.receive(input.subarray(20));
  assert.is(port.paused, true);
  let text = '';
  while ((read(5) & 1) !== 0) text += String.fromCharCode(read(0));
  assert.is(text, input.toString());
  assert.is(port.paused, false);
});

test('a vCPU in another thread that does not look at the line status loses nothing to a reader that is slow', async () => {
  const registers = SerialMemory.create();
  const backend = new SerialBackend(registers, silent);
  const { rope, listener } = createBell();
  answerBell(listener, () => backend.poll());
  const module = new URL('../../../../src/hw/char/serial/window.js', import.meta.url).href;
  const doorbell = new URL('../../../../src/system/doorbell.js', import.meta.url).href;
  const total = 200_000;
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     Promise.all([import(workerData.module), import(workerData.doorbell)]).then(([{ serialWindow }, { Doorbell }]) => {
       const bell = new Doorbell(workerData.rope);
       const line = { raise() {}, lower() {}, pulse() {} };
       const window = serialWindow(workerData.registers, line, () => bell.ring());
       for (let i = 0; i < ${total}; i++) window.write(0, Uint8Array.of(i % 251));
     });`,
    { eval: true, workerData: { module, doorbell, registers, rope }, transferList: [rope.port] },
  );
  const port = new Port();
  port.open = false;
  backend.connect(port);
  const timer = setInterval(() => backend.drained(), 5);
  const length = () => port.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  await eventually('all bytes', () => length() === total, 30_000);
  clearInterval(timer);
  assert.ok(Buffer.concat(port.chunks).every((byte, i) => byte === i % 251));
  await worker.terminate();
  listener.port.close();
});

test.run();
