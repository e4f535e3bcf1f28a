import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SerialMemory } from '../../src/hw/char/serial/serial-memory.js';
import { serialWindow } from '../../src/hw/char/serial/window.js';
import { encodeTime } from '../../src/hw/rtc/mc146818/time.js';
import { LevelIrq, numbers, qemuPorts, runHere } from '../support/port-script.js';
import { comparable, RECORDED_LENGTH, RECORDED_SEEDS, recording, uartScript } from '../support/uart-scripts.js';

const test = suite('board devices beside QEMU');
const dir = mkdtempSync(join(tmpdir(), 'nitro-emu-ports-'));
const qemu = await qemuPorts(dir);

test.after(async () => {
  await qemu.close();
  rmSync(dir, { recursive: true });
});

test('the serial port answers random accesses as QEMU does', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const script = uartScript(seed * 7919, 100);
    const irq = new LevelIrq();
    const window = serialWindow(SerialMemory.create(), irq, () => {});
    const here = comparable(
      runHere(window, 0x3f8, () => irq.up, script),
      script,
    );
    const there = comparable(await qemu.run(script, 4), script);
    for (const [i, result] of there.entries()) {
      assert.equal(
        here[i],
        result,
        `seed ${seed}, access ${i}: ${JSON.stringify(script.slice(Math.max(0, i - 12), i + 1))}`,
      );
    }
  }
});

test('what npm test compares the serial port with is what QEMU answers', async () => {
  const answers = [];
  for (const seed of RECORDED_SEEDS) {
    const script = uartScript(seed, RECORDED_LENGTH);
    answers.push(comparable(await qemu.run(script, 4), script));
  }
  if (process.env.RECORD !== undefined) writeFileSync(recording, `${JSON.stringify(answers)}\n`);
  assert.equal(JSON.parse(readFileSync(recording, 'utf8')), answers);
});

test('QEMU reads the time registers of every format as the time that was written into them', async () => {
  const random = numbers(42);
  const store = async (register: number, value: number) => {
    await qemu.write(0x70, register);
    await qemu.write(0x71, value);
  };
  for (let i = 0; i < 60; i++) {
    const ms = (random() % 4_000_000_000) * 1000;
    const [binary, hours24] = [(i & 1) !== 0, (i & 2) !== 0];
    const format = { binary, hours24 };
    await store(0x0b, 0x80 | (binary ? 4 : 0) | (hours24 ? 2 : 0));
    const time = encodeTime(ms, format);
    const values = [time.second, time.minute, time.hour, time.weekday, time.day, time.month, time.year];
    for (const [n, value] of values.entries()) await store([0, 2, 4, 6, 7, 8, 9][n] ?? 0, value);
    await store(0x32, time.century);
    const tm = (await qemu.command('qom-get', { path: '/machine', property: 'rtc-time' })) as Record<string, number>;
    const date = new Date(ms);
    const expected = {
      tm_year: date.getUTCFullYear() - 1900,
      tm_mon: date.getUTCMonth(),
      tm_mday: date.getUTCDate(),
      tm_hour: date.getUTCHours(),
      tm_min: date.getUTCMinutes(),
      tm_sec: date.getUTCSeconds(),
    };
    for (const [field, value] of Object.entries(expected)) {
      assert.is(tm[field], value, `${date.toISOString()} ${JSON.stringify(format)}: ${JSON.stringify(tm)}`);
    }
  }
});

test.run();
