import { type ChipAccess, levers } from './chip-script.js';

/** Vectors of the scripts: few, so that a preamble can clear them all. */
const vectors = [0x21, 0x2f, 0x30, 0x41, 0x4e, 0x55, 0x7f, 0x80, 0x93, 0xb8, 0xe0, 0xfd];
const CPUS = 2;
const LAPIC = 0xfee00000;
const IOAPIC = 0xfec00000;

type Random = (below: number) => number;

/** Numbers from 0 to `below` - 1 by mulberry32. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Writes accesses of one script down. */
class Script {
  readonly accesses: ChipAccess[] = [];
  readonly random: Random;
  /** Lines that are up. */
  readonly #up = new Set<number>();
  readonly pitModes = [0, 0, 0];
  readonly #levelPins = new Set<number>();

  constructor(seed: number) {
    this.random = random(seed);
  }

  #add(cpu: number, kind: ChipAccess['kind'], address = 0, value = 0): void {
    this.accesses.push({ cpu, kind, address, value: value >>> 0 });
  }

  outb = (port: number, value: number) => this.#add(0, 'outb', port, value);
  inb = (port: number) => this.#add(0, 'inb', port);
  apic = (cpu: number, offset: number, value: number) => this.#add(cpu, 'write', LAPIC + offset, value);
  readApic = (cpu: number, offset: number) => this.#add(cpu, 'read', LAPIC + offset);
  take = (cpu: number) => this.#add(cpu, 'take');
  wait = (nanoseconds: number) => this.#add(0, 'wait', 0, nanoseconds);

  ioapic(register: number, value: number): void {
    this.#add(0, 'write', IOAPIC, register);
    this.#add(0, 'write', IOAPIC + 0x10, value);
  }

  readIoapic(register: number): void {
    this.#add(0, 'write', IOAPIC, register);
    this.#add(0, 'read', IOAPIC + 0x10);
  }

  endOfInterrupt = (vector: number) => this.#add(0, 'write', IOAPIC + 0x40, vector);

  one<T>(choices: readonly [T, ...T[]] | readonly T[]): T {
    const choice = choices[this.random(choices.length)];
    if (choice === undefined) throw new RangeError('no choices');
    return choice;
  }

  chance = (percent: number) => this.random(100) < percent;
  vector = () => this.one(vectors);
  cpu = () => this.random(CPUS);

  /** Low word of an I/O APIC entry. Its trigger mode changes only while the line is low: QEMU looks at it when the line moves. */
  entry(pin: number, flags: number): void {
    if (!this.#up.has(pin) && this.chance(50) && !this.#levelPins.delete(pin)) this.#levelPins.add(pin);
    this.ioapic(0x10 + 2 * pin, flags | (this.#levelPins.has(pin) ? 0x8000 : 0));
  }

  lever(): void {
    const { port, gsi } = this.one(levers);
    const up = !this.#up.delete(gsi);
    if (up) this.#up.add(gsi);
    this.outb(port + 1, up ? 2 : 0);
  }
}

/** Brings the chips of any machine into the state that `InterruptChips` has after it. */
function preamble(script: Script): void {
  for (const { port } of levers) script.outb(port + 1, 0);
  script.outb(0x61, 1);
  // Counter 0's last interrupt, before the PIC starts.
  for (const [port, value] of [
    [0x43, 0x30],
    [0x40, 1],
    [0x40, 0],
    [0x43, 0x70],
    [0x41, 0],
    [0x41, 0],
    [0x43, 0xb0],
    [0x42, 0],
    [0x42, 0],
  ] as const) {
    script.outb(port, value);
  }
  script.wait(10_000);
  for (const port of [0x4d0, 0x4d1]) script.outb(port, 0);
  for (const base of [0x20, 0xa0]) initPic(script, base, base === 0x20 ? 0x30 : 0x38, 1);
  for (const base of [0x20, 0xa0]) script.outb(base + 1, 0xff);
  for (let pin = 0; pin < 24; pin++) {
    script.ioapic(0x10 + 2 * pin, 0x10000);
    script.ioapic(0x11 + 2 * pin, 0);
  }
  script.ioapic(0, 0);
  for (let cpu = 0; cpu < CPUS; cpu++) {
    for (let entry = 0x320; entry <= 0x370; entry += 0x10) script.apic(cpu, entry, 0x10000);
    for (const [register, value] of [
      [0xf0, 0x1ff],
      [0x380, 0],
      [0x3e0, 0],
      [0x80, 0],
      [0xd0, 1 << (24 + cpu)],
      [0xe0, 0xffffffff],
      [0x310, 0],
    ] as const) {
      script.apic(cpu, register, value);
    }
    for (let level = 0; level < 16; level++) script.apic(cpu, 0xb0, 0);
    // Trigger modes are left over from the last time that a vector came.
    for (const vector of vectors) script.apic(cpu, 0x300, 0x44000 | vector);
    for (const _ of vectors) {
      script.take(cpu);
      script.apic(cpu, 0xb0, 0);
    }
  }
}

function initPic(script: Script, base: number, vector: number, icw4: number): void {
  script.outb(base, 0x11);
  script.outb(base + 1, vector);
  script.outb(base + 1, base === 0x20 ? 4 : 2);
  script.outb(base + 1, icw4);
}

const pic = (script: Script) => {
  const base = script.one([0x20, 0xa0]);
  const { outb, inb } = script;
  const step = script.random(100);
  if (step < 25) script.lever();
  else if (step < 35) script.take(0);
  else if (step < 50) outb(base, script.one([0x20, 0x60 | script.random(8), 0xa0, 0xe0 | script.random(8)]));
  else if (step < 60) outb(base, script.one([0x0a, 0x0b, 0x0c, 0x48, 0x68, 0xc0 | script.random(8), 0x00, 0x80, 0x40]));
  else if (step < 75) inb(base + script.random(2));
  else if (step < 85) outb(base + 1, script.chance(50) ? 0 : script.random(256));
  else if (step < 88) outb(script.one([0x4d0, 0x4d1]), script.random(256));
  else if (step < 90) inb(script.one([0x4d0, 0x4d1]));
  // Automatic EOI only on the first chip: on the second one QEMU loses the interrupts that wait behind.
  else if (step < 93) {
    initPic(script, base, script.one([0x20, 0x40, 0x70, 0xf8]), base === 0x20 ? script.one([1, 3, 0x11]) : 1);
    // The second chip's request is an edge for the first one again when the second one is written to.
    outb(0xa1, 0);
  } else if (step < 95) outb(base, 0x20);
  else script.apic(0, 0x350, script.one([0x700, 0x8700]));
};

const entries = [3, 5, 10, 11, 11, 23] as const;

const ioapic = (script: Script) => {
  const step = script.random(100);
  const pin = script.one(entries);
  if (step < 20) script.lever();
  else if (step < 40) {
    const logical = script.chance(50) ? 0x800 : 0;
    // Of several CPUs QEMU takes the first as the one of lowest priority.
    const mode = script.one([0, 0, 0, 0, logical === 0 ? 1 : 0, 4, 7]);
    const flags = (script.chance(20) ? 0x10000 : 0) | logical | (script.random(2) << 13);
    script.entry(pin, flags | (mode << 8) | script.vector());
  } else if (step < 45) script.ioapic(0x11 + 2 * pin, script.one([0, 1, 2, 3, 0x12]) << 24);
  else if (step < 60) script.readIoapic(0x10 + 2 * pin + script.random(2));
  else if (step < 62) script.readIoapic(script.one([0, 1, 2, 3, 0x0f, 0x40, 0xff]));
  else if (step < 63) script.ioapic(script.one([0, 1, 2, 3, 0x40]), 0x5a5a5a5a);
  else if (step < 66) script.endOfInterrupt(script.vector());
  else if (step < 80) script.take(script.cpu());
  else apic(script);
};

const readable = [
  0x20, 0x30, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380,
] as const;

const apic = (script: Script) => {
  const cpu = script.cpu();
  const step = script.random(100);
  if (step < 15) script.take(cpu);
  else if (step < 35) script.apic(cpu, 0xb0, 0);
  else if (step < 40) script.apic(cpu, 0x80, script.one([0, 0, 0x20, 0x2f, 0x45, 0x80, 0xf0]));
  else if (step < 55) {
    const shorthand = script.one([0, 0, 1, 2, 3]) << 18;
    const logical = script.chance(50) ? 0x800 : 0;
    // All ones are all CPUs here also as a logical destination.
    script.apic(cpu, 0x310, script.one([0, 1, 2, 3, 0x11, 0x12, 0x21, logical === 0 ? 0xff : 0xf1]) << 24);
    script.apic(cpu, 0x300, 0x4000 | shorthand | logical | (script.chance(10) ? 0x400 : 0) | script.vector());
  } else if (step < 60) script.apic(cpu, 0xd0, script.one([1, 2, 3, 0x11, 0x12, 0x13]) << 24);
  else if (step < 63) script.apic(cpu, 0xe0, script.one([0xffffffff, 0x0fffffff]));
  else if (step < 65) script.apic(cpu, 0xf0, script.one([0x1ff, 0x1af, 0x130]));
  else if (step < 70) script.apic(cpu, script.one([0x330, 0x340, 0x360, 0x370]), 0x10000 | script.vector());
  else if (step < 85) script.readApic(cpu, script.one(readable));
  else script.readApic(cpu, script.one([0x100, 0x180, 0x200]) + 0x10 * script.random(8));
};

/** QEMU keeps what was latched when a counter is programmed anew. */
function drainLatches(script: Script, channel: number): void {
  for (let i = 0; i < 3; i++) script.inb(0x40 + channel);
}

const pit = (script: Script) => {
  const step = script.random(100);
  const channel = script.random(3);
  const { outb, inb } = script;
  // In mode 2 QEMU's output is high for a tick, the chip's is low for a tick.
  const comparable = script.pitModes.every((mode) => mode !== 2);
  if (step < 15) {
    drainLatches(script, channel);
    const mode = script.one([0, 2, 3]);
    const access = 1 + script.random(3);
    script.pitModes[channel] = mode;
    outb(0x43, (channel << 6) | (access << 4) | (mode << 1));
    if (access & 1) outb(0x40 + channel, 2 + script.random(250));
    if (access & 2) outb(0x40 + channel, script.random(256));
  } else if (step < 30) outb(0x43, channel << 6);
  else if (step < 40) outb(0x43, (comparable ? 0xc0 : 0xd0) | script.random(comparable ? 64 : 16));
  else if (step < 90) inb(0x40 + channel);
  else if (step < 95) script.wait(script.random(5_000_000));
  else if (comparable) inb(0x61);
};

const timer = (script: Script) => {
  const cpu = script.cpu();
  const step = script.random(100);
  if (step < 15) {
    script.apic(cpu, 0x380, 0);
    script.apic(cpu, 0x3e0, script.one([0, 1, 2, 3, 8, 9, 10, 11]));
    script.apic(cpu, 0x320, script.vector());
    script.apic(cpu, 0x380, script.random(30_000));
  } else if (step < 20) script.apic(cpu, 0x320, script.one([0, 0x10000]) | script.vector());
  else if (step < 50) script.readApic(cpu, script.one([0x380, 0x390, 0x3e0, 0x320]));
  else if (step < 60) script.wait(script.random(50_000));
  else if (step < 80) script.take(cpu);
  else apic(script);
};

const families = { pic, ioapic, apic, pit, timer };

export type ChipFamily = keyof typeof families;
export const chipFamilies = Object.keys(families) as ChipFamily[];

/** @returns a script of at least `length` accesses after a preamble, the same for the same seed */
export function randomScript(family: ChipFamily, seed: number, length: number): ChipAccess[] {
  const script = new Script(seed);
  preamble(script);
  if (family === 'pic') for (const port of [0x21, 0xa1]) script.outb(port, 0);
  if (family === 'pic') script.apic(0, 0x350, 0x700);
  const end = script.accesses.length + length;
  while (script.accesses.length < end) families[family](script);
  if (family === 'pit') for (let channel = 0; channel < 3; channel++) drainLatches(script, channel);
  return script.accesses;
}

/** Scripts whose answers by QEMU 7.2 are in `recordedAnswers`. */
export const recordedScripts = chipFamilies.map((family) => ({ family, seed: 1000, length: 500 }));
export const recordedAnswers = 'test/hw/intc/qemu-answers.json';
