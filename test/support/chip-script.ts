import { InterruptChips } from '../../src/hw/intc/chips.js';
import { IoBus } from '../../src/system/io-bus.js';

/** Serial ports that the scripts use as levers of interrupt lines: writing 2 or 0 to the second register moves the line. */
export const levers = [
  { port: 0x3f8, gsi: 3 },
  { port: 0x2f8, gsi: 5 },
  { port: 0x3e8, gsi: 10 },
  { port: 0x2e8, gsi: 11 },
] as const;

const kinds = ['outb', 'inb', 'write', 'read', 'take', 'wait'] as const;

/** One access of a CPU to chips; `take` lets it take one interrupt, `wait` spins for `value` ns. */
export interface ChipAccess {
  readonly cpu: number;
  readonly kind: (typeof kinds)[number];
  /** Port or guest-physical address. */
  readonly address: number;
  readonly value: number;
}

/** What a machine answered. */
export interface ChipAnswer {
  /** Nanoseconds at the access. */
  readonly time: number;
  /** What was read; of `take` the vector + 1, or 0. */
  readonly value: number;
  /** NMIs of this CPU so far. */
  readonly nmis: number;
}

const RECORD = 16;
const ANSWER = 32;
/** Instructions, of a nanosecond each, between reading the TSC and the access (guest.S). */
const STAMP_LEAD = 5;
/** From then on a CPU that takes an interrupt looks for one, and so long. */
const TAKE_WINDOW = 8;

/** The script as the guest of test/e2e/chips reads it. */
export function encodeScript(accesses: readonly ChipAccess[]): Uint8Array {
  const view = new DataView(new ArrayBuffer((accesses.length + 1) * RECORD));
  for (const [i, { cpu, kind, address, value }] of accesses.entries()) {
    view.setUint8(i * RECORD, cpu);
    view.setUint8(i * RECORD + 1, kinds.indexOf(kind));
    view.setUint32(i * RECORD + 4, address, true);
    view.setUint32(i * RECORD + 8, value, true);
  }
  view.setUint8(accesses.length * RECORD, 0xff);
  return new Uint8Array(view.buffer);
}

export function decodeAnswers(bytes: Uint8Array): ChipAnswer[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.floor(bytes.length / ANSWER) }, (_, i) => ({
    time: Number(view.getBigUint64(i * ANSWER, true)) + STAMP_LEAD,
    value: view.getUint32(i * ANSWER + 12, true),
    nmis: view.getUint32(i * ANSWER + 16, true),
  }));
}

/** Runs a script on our chips at the times of another machine's answers. @returns where they differ, as text */
export function replay(accesses: readonly ChipAccess[], answers: readonly ChipAnswer[]): string[] {
  const differences: string[] = [];
  let now = 0;
  const nmis = [0, 0];
  const chips = new InterruptChips({
    cpus: nmis.length,
    now: () => now,
    signals: {
      nmi: (cpu) => {
        nmis[cpu] = (nmis[cpu] ?? 0) + 1;
      },
      init: () => unexpected('INIT'),
      sipi: () => unexpected('SIPI'),
    },
  });
  const ports = new IoBus(chips.ports);
  const mmio = nmis.map(
    (_, cpu) => new IoBus([...chips.mmio, { base: 0xfee00000, size: 4096, window: chips.apic(cpu) }]),
  );
  let levels = 0;

  const perform = ({ cpu, kind, address, value }: ChipAccess): number => {
    const word = new Uint8Array(new Uint32Array([value]).buffer);
    const byte = word.subarray(0, 1);
    const lever = levers.find(({ port }) => port + 1 === address);
    switch (kind) {
      case 'outb':
        if (lever === undefined) ports.write(address, byte);
        else {
          const was = levels;
          levels = value === 0 ? levels & ~(1 << lever.gsi) : levels | (1 << lever.gsi);
          chips.applyLines(levels, levels & ~was);
        }
        return 0;
      case 'inb':
        ports.read(address, byte);
        return byte[0] ?? 0;
      case 'write':
        mmio[cpu]?.write(address, word);
        return 0;
      case 'read':
        mmio[cpu]?.read(address, word);
        return new DataView(word.buffer).getUint32(0, true);
      case 'take':
        return chips.pendingVector(cpu) === undefined ? 0 : chips.acknowledge(cpu) + 1;
      case 'wait':
        return 0;
    }
  };

  const nmisBefore = nmis.map((_, cpu) => answers[accesses.findIndex((access) => access.cpu === cpu)]?.nmis ?? 0);
  for (const [i, access] of accesses.entries()) {
    const answer = answers[i];
    if (answer === undefined) return [...differences, `no answer ${i}`];
    now = answer.time + (access.kind === 'take' ? TAKE_WINDOW : 0);
    chips.advance(now);
    const value = perform(access);
    const mask = comparable(access);
    const nmi = (nmisBefore[access.cpu] ?? 0) + (nmis[access.cpu] ?? 0);
    if ((value & mask) !== (answer.value & mask)) {
      differences.push(`${i}: ${showAccess(access)}: 0x${value.toString(16)}, there 0x${answer.value.toString(16)}`);
    }
    if (nmi !== answer.nmis) differences.push(`${i}: ${showAccess(access)}: ${nmi} NMIs, there ${answer.nmis}`);
  }
  return differences;
}

function unexpected(what: string): never {
  throw new Error(`${what} is not for scripts`);
}

export function showAccess({ cpu, kind, address, value }: ChipAccess): string {
  return `${cpu} ${kind} ${address.toString(16)} ${value.toString(16)}`;
}

/** Bits of an answer that machines agree on. */
function comparable({ kind, address }: ChipAccess): number {
  // Refresh toggles by access here and in QEMU, whose start is not known.
  if (kind === 'inb' && address === 0x61) return ~0x10;
  return ~0;
}

/** Answers as numbers for a file: nanoseconds since the last access, value, NMIs; after the first, whose time is 0. */
export function packAnswers(answers: readonly ChipAnswer[]): number[] {
  let last = answers[0]?.time ?? 0;
  return answers.flatMap(({ time, value, nmis }) => {
    const since = time - last;
    last = time;
    return [since, value, nmis];
  });
}

export function unpackAnswers(numbers: readonly number[]): ChipAnswer[] {
  let time = 0;
  return Array.from({ length: numbers.length / 3 }, (_, i) => {
    time += numbers[3 * i] ?? 0;
    return { time, value: numbers[3 * i + 1] ?? 0, nmis: numbers[3 * i + 2] ?? 0 };
  });
}
