import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CMOS_BYTES, Mc146818 } from '../../../../src/hw/rtc/mc146818/rtc.js';
import { decodeTime, encodeTime, nextAlarm, period } from '../../../../src/hw/rtc/mc146818/time.js';
import { clockHolds, clockSteps } from '../../../support/board-fuzz.js';
import { LevelIrq } from '../../../support/port-script.js';

const test = suite('hw/rtc/mc146818');
const START = Date.UTC(2026, 10, 23, 12, 59, 58);
const formats = [true, false].flatMap((binary) => [true, false].map((hours24) => ({ binary, hours24 })));

function clock({ ahead = 0 } = {}) {
  let now = START;
  let rescheduled = 0;
  const irq = new LevelIrq();
  const state = { cmos: new Uint8Array(CMOS_BYTES), times: new Float64Array(2) };
  const rtc = new Mc146818(state, () => now, {
    interrupt: (up) => (up ? irq.raise() : irq.lower()),
    rescheduled: () => {
      rescheduled += 1;
    },
  });
  rtc.powerOn(ahead);
  return {
    rtc,
    irq,
    rescheduled: () => rescheduled,
    pass(ms: number) {
      now += ms;
      rtc.tick();
    },
  };
}

const read = (rtc: Mc146818, registers: number[]) => registers.map((register) => rtc.read(register).toString(16));

test('the clock shows the time of the host, in BCD and 24 hours, ahead by what was asked for', () => {
  const { rtc, pass } = clock({ ahead: 86_400_000 });
  assert.equal(read(rtc, [0x32, 9, 8, 7, 6, 4, 2, 0]), ['20', '26', '11', '24', '3', '12', '59', '58']);
  pass(3000);
  assert.equal(read(rtc, [4, 2, 0]), ['13', '0', '1']);
});

test('every time of four centuries reads as it was written, in every format', () => {
  const limit = Date.UTC(2399, 11, 31, 23, 59, 59) / 1000;
  fc.assert(
    fc.property(
      fc.integer({ min: Date.UTC(1970) / 1000, max: limit }),
      fc.constantFrom(...formats),
      (seconds, format) => {
        assert.is(decodeTime(encodeTime(seconds * 1000, format), format), seconds * 1000);
      },
    ),
  );
});

test('the guest sets the time while the clock is held, and it runs on from there', () => {
  const { rtc, pass } = clock();
  rtc.write(0x0b, 0x86);
  pass(5000);
  assert.equal(rtc.read(0), 0x58);
  for (const [register, value] of [
    [0x32, 20],
    [9, 30],
    [8, 1],
    [7, 31],
    [4, 23],
    [2, 59],
    [0, 59],
  ] as const) {
    rtc.write(register, value);
  }
  rtc.write(0x0b, 0x06);
  assert.is(rtc.read(0), 59);
  pass(1000);
  assert.equal(
    [9, 8, 7, 4, 2, 0].map((register) => rtc.read(register)),
    [30, 2, 1, 0, 0, 0],
  );
});

test('an update flag comes with each second and interrupts when that is enabled', () => {
  const { rtc, irq, pass } = clock();
  pass(1000);
  assert.is(rtc.read(0x0c), 0x10 | 0x40);
  assert.is(rtc.read(0x0c), 0);
  rtc.write(0x0b, 0x12);
  assert.is(rtc.nextEvent(), 1000);
  pass(999);
  assert.is(irq.up, false);
  assert.is(rtc.read(0x0a) & 0x80, 0x80);
  pass(1);
  assert.is(irq.up, true);
  assert.is(rtc.nextEvent(), undefined);
  assert.is(rtc.read(0x0c), 0xd0);
  assert.is(irq.up, false);
});

test('the alarm comes at its time of day, also with parts that match everything', () => {
  const { rtc, irq, pass } = clock();
  rtc.write(5, 0x13);
  rtc.write(3, 0x00);
  rtc.write(1, 0x10);
  rtc.write(0x0b, 0x22);
  assert.is(rtc.nextEvent(), 12_000);
  pass(11_999);
  assert.is(irq.up, false);
  pass(1);
  assert.is(irq.up, true);
  assert.is(rtc.read(0x0c) & 0xa0, 0xa0);
  rtc.write(5, 0xff);
  rtc.write(3, 0xc0);
  assert.is(rtc.nextEvent(), 60_000);
});

test('the next alarm is the first second that matches, by trying all of them', () => {
  const part = (limit: number) => fc.oneof(fc.nat(limit), fc.constant(0xc0), fc.constant(0xff));
  const format = { binary: true, hours24: true };
  fc.assert(
    fc.property(fc.nat(2 ** 31), part(24), part(60), part(60), (start, hour, minute, second) => {
      const any = (wanted: number, value: number) => wanted >= 0xc0 || wanted === value;
      let found: number | undefined;
      for (let at = start + 1; at <= start + 86_400 && found === undefined; at++) {
        const date = new Date(at * 1000);
        if (any(hour, date.getUTCHours()) && any(minute, date.getUTCMinutes()) && any(second, date.getUTCSeconds())) {
          found = at * 1000;
        }
      }
      assert.is(nextAlarm(start * 1000, { hour, minute, second }, format), found);
    }),
    { numRuns: 30 },
  );
});

test('periods are those of the data sheet', () => {
  const rates = [undefined, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2];
  for (const [rate, hertz] of rates.entries()) {
    assert.is(period(rate), hertz === undefined ? undefined : 1000 / hertz);
  }
});

test('a reset takes the interrupts away; time and RAM stay', () => {
  const { rtc, irq, pass } = clock();
  rtc.write(0x40, 0x77);
  rtc.write(0x0b, 0x12);
  pass(1000);
  rtc.reset();
  assert.is(irq.up, false);
  assert.equal(read(rtc, [0x0b, 0x40, 0]), ['2', '77', '59']);
});

test('nothing that is written makes it fail', () => {
  fc.assert(fc.property(clockSteps, clockHolds));
});

test.run();
