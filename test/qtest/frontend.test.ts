import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CharPort } from '../../src/chardev/chardev.js';
import { QtestFrontend } from '../../src/qtest/frontend.js';
import { LINE_LIMIT } from '../../src/qtest/session.js';
import type { LineChange, QtestTarget } from '../../src/qtest/target.js';
import { deadline } from '../support/deadline.js';

const test = suite('qtest/frontend');

/** A front end on a port whose writes are kept, over a target whose ports read what `port` gives. */
function connected(port: (number: number) => Promise<number> = async (number) => number) {
  const state = { written: '', paused: false, disconnected: false, full: false };
  const log: string[] = [];
  const failures: unknown[] = [];
  let change: (change: LineChange) => void = () => {};
  const nothing = async (): Promise<never> => {
    throw new Error('not in this test');
  };
  const target: QtestTarget = {
    readPort: (number) => port(number),
    writePort: async () => change({ pin: 4, level: true }),
    readMemory: nothing,
    writeMemory: nothing,
    stepClock: nothing,
    setClock: nothing,
    watch: nothing,
    setLine: nothing,
    onLineChange: (listener) => {
      change = listener;
    },
  };
  const charPort: CharPort = {
    write(data) {
      state.written += Buffer.from(data).toString('latin1');
      return !state.full;
    },
    pause: () => {
      state.paused = true;
    },
    resume: () => {
      state.paused = false;
    },
    disconnect: () => {
      state.disconnected = true;
    },
    takeDescriptor: () => undefined,
    queued: 0,
    get connected() {
      return !state.disconnected;
    },
  };
  const frontend = new QtestFrontend(
    target,
    charPort,
    (line) => log.push(line.replace(/\d+\.\d{6}/, 'T')),
    (error) => failures.push(error),
  );
  frontend.opened();
  const type = (text: string) => frontend.receive(Buffer.from(text));
  const idle = () => deadline('the answers', frontend.finish());
  return { frontend, state, log, failures, type, idle };
}

test('lines are answered in their order, however they are cut', async () => {
  const slow = (number: number) => new Promise<number>((resolve) => setTimeout(resolve, 20 - number, number));
  const { state, type, idle } = connected(slow);
  type('inb 1\nin');
  type('b 1');
  type('0\ninb 3\n');
  assert.is(state.paused, true);
  await idle();
  assert.is(state.written, 'OK 0x0001\nOK 0x000a\nOK 0x0003\n');
  assert.is(state.paused, false);
});

test('a change of a line is told before the answer, and all of it is logged', async () => {
  const { frontend, state, log, type, idle } = connected();
  type('outb 1 2\n');
  await idle();
  assert.is(state.written, 'IRQ raise 4\nOK\n');
  state.disconnected = true;
  frontend.closed();
  assert.equal(log, ['[I T] OPENED', '[R +T] outb 1 2', '[S +T] IRQ raise 4', '[S +T] OK', '[I +T] CLOSED']);
});

test('a slow reader holds back commands, not the emulator', async () => {
  const { frontend, state, type, idle } = connected();
  state.full = true;
  type('inb 1\ninb 2\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(state.written, 'OK 0x0001\n');
  state.full = false;
  frontend.drained();
  await idle();
  assert.is(state.written, 'OK 0x0001\nOK 0x0002\n');
});

test('a line without an end is cut off at a limit', () => {
  const { frontend, state } = connected();
  const piece = new Uint8Array(1024 * 1024).fill(0x30);
  for (let sent = 0; sent <= LINE_LIMIT; sent += piece.length) frontend.receive(piece);
  assert.is(state.disconnected, true);
});

test('a target that has gone is reported', async () => {
  const { failures, type, idle } = connected();
  type('readb 0\n');
  await idle();
  assert.is((failures[0] as Error).message, 'not in this test');
});

test.run();
