import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { I8254 } from '../../../src/hw/timer/i8254.js';

const test = suite('hw/timer/i8254');

const HZ = 1_193_182;
/** The first nanosecond of a tick. */
const ns = (ticks: number) => Math.ceil((ticks * 1e9) / HZ);

/** A PIT, and the moments at which IRQ 0 changed, as `+TICK` and `-TICK`. */
function timer() {
  const changes: string[] = [];
  let now = 0;
  const pit = new I8254((level) => changes.push(`${level ? '+' : '-'}${Math.floor((now * HZ) / 1e9)}`));
  return {
    pit,
    changes,
    program(channel: number, mode: number, count: number, at = now) {
      now = at;
      pit.write(3, (channel << 6) | 0x30 | (mode << 1), at);
      pit.write(channel, count & 0xff, at);
      pit.write(channel, count >> 8, at);
    },
    /** Advances as a CPU thread does, which wakes at each deadline. */
    until(end: number) {
      while (pit.deadline <= end) {
        now = pit.deadline;
        pit.advance(now);
      }
    },
  };
}

test('the output of each mode changes at the ticks of the data sheet', () => {
  for (const [mode, count, expected] of [
    [0, 10, ['-0', '+10']],
    [2, 10, ['-9', '+10', '-19', '+20', '-29', '+30']],
    [3, 10, ['-5', '+10', '-15', '+20', '-25', '+30']],
    [3, 7, ['-4', '+7', '-11', '+14', '-18', '+21', '-25', '+28']],
    [4, 10, ['-10', '+11']],
  ] as const) {
    const { program, until, changes } = timer();
    program(0, mode, count);
    until(ns(30));
    assert.equal(changes, [...expected], `mode ${mode}, count ${count}`);
  }
});

test('a CPU that comes late sees one pulse for several', () => {
  const { pit, program, changes } = timer();
  program(0, 2, 1000);
  pit.advance(ns(5500));
  assert.is(changes.length, 2);
  assert.is(pit.deadline, ns(5999));
});

test('the period is exact after days', () => {
  const { pit, program } = timer();
  program(0, 2, 11932);
  const days = 5 * 24 * 3600 * 1e9;
  pit.advance(days);
  const ticks = Number((BigInt(days) * BigInt(HZ)) / 1_000_000_000n);
  const falls = BigInt(Math.floor(ticks / 11932) * 11932 + 11931) * 1_000_000_000n;
  assert.is(BigInt(pit.deadline), (falls + BigInt(HZ) - 1n) / BigInt(HZ));
});

test('port 0x61 gates counter 2 and shows its output', () => {
  const { pit, program } = timer();
  const output = (at: number) => (pit.readPortB(at) & 0x20) !== 0;
  pit.writePortB(0, 0);
  program(2, 0, 100);
  assert.is(output(ns(500)), false);
  pit.writePortB(3, ns(500));
  assert.is(pit.readPortB(ns(500)) & 3, 3);
  assert.is(output(ns(599)), false);
  pit.writePortB(2, ns(550));
  assert.is(output(ns(700)), false);
  pit.writePortB(3, ns(700));
  assert.is(output(ns(749)), false);
  assert.is(output(ns(751)), true);
});

test('a rising gate starts the one-shot of counter 2', () => {
  for (const [mode, low] of [
    [1, [0, 50]],
    [5, [50, 51]],
  ] as const) {
    const { pit, program } = timer();
    program(2, mode, 50);
    const output = (tick: number) => (pit.readPortB(ns(tick)) & 0x20) !== 0;
    assert.is(output(60), true);
    pit.writePortB(1, ns(100));
    const levels = [0, 49, 50, 51].map((tick) => output(100 + tick));
    assert.equal(
      levels,
      [0, 49, 50, 51].map((tick) => tick < low[0] || tick >= low[1]),
      `mode ${mode}`,
    );
    pit.writePortB(0, ns(200));
    pit.writePortB(1, ns(300));
    assert.is(output(300 + low[0]), false);
  }
});

test('refresh in port 0x61 toggles', () => {
  const { pit } = timer();
  assert.is((pit.readPortB(0) ^ pit.readPortB(0)) & 0x10, 0x10);
});

test.run();
