import { InterruptChips } from '../../src/hw/intc/chips.js';
import { IoBus } from '../../src/system/io-bus.js';

/** A machine's chips under a clock that is set by hand; signals to CPUs are noted as text. */
export function chipsBoard(cpus = 1) {
  const clock = { now: 0 };
  const signals: string[] = [];
  const chips = new InterruptChips({
    cpus,
    now: () => clock.now,
    signals: {
      nmi: (cpu) => signals.push(`nmi ${cpu}`),
      init: (cpu) => signals.push(`init ${cpu}`),
      sipi: (cpu, vector) => signals.push(`sipi ${cpu} ${vector}`),
    },
  });
  const ports = new IoBus(chips.ports);
  const mmio = new IoBus(chips.mmio);
  const word = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
  const outb = (port: number, ...values: number[]) => {
    for (const value of values) ports.write(port, Uint8Array.of(value));
  };
  return {
    chips,
    signals,
    mmio,
    ports,
    outb,
    inb(port: number): number {
      const data = new Uint8Array(1);
      ports.read(port, data);
      return data[0] ?? 0;
    },
    /** Writes an entry of the I/O APIC. */
    redirect(pin: number, low: number, high = 0) {
      for (const [i, value] of [low, high].entries()) {
        mmio.write(0xfec00000, word(0x10 + 2 * pin + i));
        mmio.write(0xfec00010, word(value));
      }
    },
    /** Moves the clock and the timers. */
    at(now: number) {
      clock.now = now;
      chips.advance(now);
    },
    /** As BIOS and Linux initialise the PICs, with vectors 0x30 to 0x3f. */
    initPics() {
      outb(0x20, 0x11);
      outb(0x21, 0x30, 4, 1);
      outb(0xa0, 0x11);
      outb(0xa1, 0x38, 2, 1);
    },
  };
}
