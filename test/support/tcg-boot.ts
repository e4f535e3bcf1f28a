// Boots a guest on the software CPU in this thread, its serial port on stdout: for experiments and profiles.
// node dist/test/support/tcg-boot.js KERNEL INITRD [APPEND] [MIB] [CPUS]
import { writeSync } from 'node:fs';
import * as s from '../../accel/tcg/core/state.js';
import { createMemory } from '../../accel/tcg/core.js';
import { supportedCpuid } from '../../accel/tcg/cpuid.js';
import { Engine } from '../../accel/tcg/engine.js';
import { guestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { loadGuest } from '../../src/hw/i386/load-kernel.js';
import { ramRanges } from '../../src/hw/i386/memory-layout.js';
import { registerDump } from '../../src/hw/i386/register-dump.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import { GuestMemory } from '../../src/system/guest-memory.js';
import { IoBus } from '../../src/system/io-bus.js';

const [
  kernel = '',
  initrd = '',
  append = 'console=ttyS0 earlyprintk=ttyS0 reboot=k panic=-1',
  mib = '256',
  cpus = '1',
] = process.argv.slice(2);
const size = Number(mib) * 2 ** 20;
const memory = createMemory(size);
const bytes = new Uint8Array(memory.buffer);
const ram = {
  size,
  *windows(offset: number, length: number) {
    yield bytes.subarray(s.RAM_BASE + offset, s.RAM_BASE + offset + length);
  },
};
const started = performance.now();
const lines = new SharedIrqWords();
let ended = false;
/** As much of a 16550 as early output and a console need. */
const serial = {
  ier: 0,
  lcr: 0,
  read(offset: number, data: Uint8Array) {
    data.fill(0);
    if (offset === 1) data[0] = this.ier;
    if (offset === 2) data[0] = (this.ier & 2) !== 0 ? 0xc2 : 0xc1;
    if (offset === 3) data[0] = this.lcr;
    if (offset === 5) data[0] = 0x60;
    if (offset === 6) data[0] = 0xb0;
  },
  write(offset: number, data: Uint8Array) {
    if (offset === 3) this.lcr = data[0] ?? 0;
    if ((this.lcr & 0x80) !== 0) return;
    if (offset === 0) writeSync(1, data.subarray(0, 1));
    if (offset === 1) this.ier = data[0] ?? 0;
    if ((this.ier & 2) !== 0) lines.pulse(4);
  },
};
const reset = {
  read: (_: number, data: Uint8Array) => data.fill(0),
  write: (_: number, data: Uint8Array) => {
    if (data[0] !== 0xfe) return;
    ended = true;
    lines.kick();
  },
};
const guest = await loadGuest({
  kernel,
  initrd: initrd === '' ? undefined : initrd,
  append,
  memory: new GuestMemory(ramRanges(ram)),
  cpus: Number(cpus),
  acpi: false,
  virtioSlots: [],
  warn: console.error,
});
const cpuid = guestCpuid(supportedCpuid(), { name: 'max', typeName: '', properties: [] }, Number(cpus));
const engine = new Engine({
  memory,
  ramLow: size,
  ramHigh: 0,
  cpuid: Array.from({ length: Number(cpus) }, (_, i) => cpuid.leaves(i)),
  board: {
    ports: new IoBus([
      { base: 0x3f8, size: 8, window: serial },
      { base: 0x64, size: 1, window: reset },
    ]),
    mmio: new IoBus([]),
  },
  lines,
  interrupted: () => ended,
});
engine.reset(guest.state);
engine.setRunning(true);
const stop = engine.run();
console.log(`\nended after ${((performance.now() - started) / 1000).toFixed(2)} s:`, stop);
if (stop !== undefined) {
  const registers = engine.registers(stop.type === 'not-emulated' ? stop.cpu : 0);
  const code = Array.from(
    { length: 16 },
    (_, i) =>
      engine
        .byte(0, registers.rip + BigInt(i))
        ?.toString(16)
        .padStart(2, '0') ?? '??',
  );
  console.log(registerDump(registers), code.join(' '));
}
