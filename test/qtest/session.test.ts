import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LENGTH_LIMIT, QtestSession } from '../../src/qtest/session.js';
import type { QtestTarget } from '../../src/qtest/target.js';

const test = suite('qtest/session');

/** A target with 64 KiB of memory and ports that remember; calls of other kinds are noted. */
function target() {
  const memory = new Uint8Array(0x10000);
  const ports = new Map<number, number>();
  const notes: string[] = [];
  let now = 0;
  const it: QtestTarget = {
    readPort: async (port, size) => (ports.get(port) ?? 0xffffffff) & (2 ** (8 * size) - 1),
    async writePort(port, size, value) {
      ports.set(port, value);
      notes.push(`out ${port} ${size} ${value}`);
    },
    readMemory: async (address, length) => Uint8Array.from({ length }, (_, i) => memory[address + i] ?? 0xff),
    async writeMemory(address, bytes) {
      for (const [i, byte] of bytes.entries()) if (address + i < memory.length) memory[address + i] = byte;
    },
    async stepClock(nanoseconds = 7) {
      now += nanoseconds;
      return now;
    },
    async setClock(nanoseconds) {
      now = Math.max(now, nanoseconds);
      return now;
    },
    watch: async (path) => path === 'ioapic',
    async setLine(path, pin, level) {
      notes.push(`${path} ${pin} ${level}`);
      return path === 'ioapic' && pin < 24;
    },
    onLineChange: () => {},
  };
  return { session: new QtestSession(it), notes };
}

// Answers that QEMU 7.2 gave, with RAM at 0 and the interrupt mask of the PIC at port 0x21 holding 0xaa.
const asQemu: readonly (readonly [string, string])[] = [
  ['outb 0x21 0x1aa', 'OK'],
  ['inb 0x21', 'OK 0x00aa'],
  ['inb 33', 'OK 0x00aa'],
  ['inb 041', 'OK 0x00aa'],
  ['foo', "FAIL Unknown command 'foo'"],
  ['  inb 0x21', "FAIL Unknown command ''"],
  ['INB 0x21', "FAIL Unknown command 'INB'"],
  ['write 0x0 0x4 0x01020304', 'OK'],
  ['write 0x0 0x4 0x0102', 'OK'],
  ['read 0x0 0x10', 'OK 0x01020000000000000000000000000000'],
  ['write 0x0 0x0 0x', 'ERR invalid argument size'],
  ['write 0x0 0x4 12', 'ERR invalid argument size'],
  ['write 0x0 0x4 0xzz', 'OK'],
  ['read 0 4', 'OK 0xff000000'],
  ['memset 0x0 0x10 0xab', 'OK'],
  ['b64read 0x0 0x8', 'OK q6urq6urq6s='],
  ['b64write 0x0 0x4 AQIDBA==', 'OK'],
  ['read 0x0 0x10', 'OK 0x01020304abababababababababababab'],
  ['writeb 0x0 0x1ff', 'OK'],
  ['readb 0x0', 'OK 0x00000000000000ff'],
  ['writew 0x0 0x1234', 'OK'],
  ['readb 0x0', 'OK 0x0000000000000034'],
  ['readw 0x0', 'OK 0x0000000000001234'],
  ['writeq 0x0 0x8877665544332211', 'OK'],
  ['readl 0x0', 'OK 0x0000000044332211'],
  ['readq 0x0', 'OK 0x8877665544332211'],
  ['endianness', 'OK little'],
  ['inb 0x21 junk', 'OK 0x00aa'],
];

test("commands are answered in QEMU's words", async () => {
  const { session } = target();
  for (const [line, answer] of asQemu) assert.is(await session.execute(line), answer, line);
});

test('the clock is stepped, or set to a later time', async () => {
  const { session } = target();
  for (const [line, answer] of [
    ['clock_step', 'OK 7'],
    ['clock_step 100', 'OK 107'],
    ['clock_set 50', 'OK 107'],
    ['clock_set 5000000000', 'OK 5000000000'],
  ] as const) {
    assert.is(await session.execute(line), answer);
  }
});

test('one device is watched', async () => {
  const { session } = target();
  for (const [line, answer] of [
    ['irq_intercept_in nothing', 'FAIL Unknown device'],
    ['irq_intercept_in ioapic', 'OK'],
    ['irq_intercept_in ioapic', 'OK'],
    ['irq_intercept_in other', 'FAIL IRQ intercept already enabled'],
  ] as const) {
    assert.is(await session.execute(line), answer);
  }
});

test('lines of devices are set', async () => {
  const { session, notes } = target();
  assert.is(await session.execute('set_irq_in ioapic unnamed-gpio-in 4 1'), 'OK');
  assert.is(await session.execute('set_irq_in ioapic unnamed-gpio-in 4 0'), 'OK');
  assert.is(await session.execute('set_irq_in ioapic unnamed-gpio-in 24 0'), 'FAIL Unknown device');
  assert.equal(notes.slice(0, 2), ['ioapic 4 true', 'ioapic 4 false']);
});

test('what QEMU ends at with a failed assertion is refused', async () => {
  const { session } = target();
  for (const [line, answer] of [
    ['inb', 'FAIL missing argument'],
    ['inb 0x10021', "FAIL invalid argument '0x10021'"],
    ['inb  0x21', "FAIL invalid argument ''"],
    ['outb 0x21', 'FAIL missing argument'],
    ['outb 0x21 12x', "FAIL invalid argument '12x'"],
    ['read 0x0', 'FAIL missing argument'],
    ['clock_step soon', "FAIL invalid argument 'soon'"],
    ['irq_intercept_in', 'FAIL missing argument'],
    ['set_irq_in ioapic', 'FAIL missing argument'],
    ['', "FAIL Unknown command ''"],
  ] as const) {
    assert.is(await session.execute(line), answer, line);
  }
});

test('a length has a limit', async () => {
  const { session } = target();
  for (const command of ['read', 'b64read']) {
    assert.is(await session.execute(`${command} 0 ${LENGTH_LIMIT + 1}`), 'ERR invalid argument size');
  }
  assert.is(await session.execute('memset 0 0xffffffffffffffff 0'), 'ERR invalid argument size');
});

test('whatever the line, there is one answer line', async () => {
  const words = fc.oneof(
    fc.constantFrom('inb', 'outl', 'readq', 'writew', 'read', 'b64read', 'write', 'b64write', 'memset', 'clock_step'),
    fc.constantFrom('clock_set', 'irq_intercept_in', 'set_irq_in', '0x0', '4', '-1', '0xzz', 'AQID', ''),
    fc.string({ maxLength: 8 }),
  );
  const { session } = target();
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 6 }), async (parts) => {
      const line = parts.join(' ').replaceAll('\n', ' ');
      assert.match(await session.execute(line), /^(OK|FAIL|ERR)( [^\n]*)?$/s);
    }),
    { numRuns: 2000 },
  );
});

test.run();
