import type { LocalApic } from '../../src/hw/intc/apic.js';

// Numbers of the AMD APM volume 2, appendix A, and the SDM volume 4; KVM's of Documentation/virt/kvm/x86/msr.rst.
const TSC = 0x10;
const APIC_BASE = 0x1b;
const TSC_ADJUST = 0x3b;
const UCODE_REV = 0x8b;
const MISC_ENABLE = 0x1a0;
const TSC_DEADLINE = 0x6e0;
const KVM_WALL_CLOCK = 0x4b564d00;
const KVM_SYSTEM_TIME = 0x4b564d01;
const KVM_WALL_CLOCK_OLD = 0x11;
const KVM_SYSTEM_TIME_OLD = 0x12;

/** Registers that hold what is written, or 0: configuration of hardware that is not there. */
const inert: ReadonlySet<number> = new Set([
  0x3a, 0x48, 0x49, 0x179, 0x17a, 0x17b, 0xc0010010, 0xc0010015, 0xc001001a, 0xc001001d, 0xc001001f, 0xc0010055,
  0xc0010062, 0xc0010064, 0xc0010112, 0xc0010113, 0xc0010117, 0xc0011004, 0xc0011005, 0xc0011020, 0xc0011021,
  0xc0011022, 0xc0011023, 0xc0011029, 0xc0011030,
]);
const UCODE = 0x01000065n << 32n;
const FAST_STRING = 1n;
const SYSTEM_TIME_ENABLED = 1n;
const TSC_STABLE = 1;

/** Time and memory that the registers of all vCPUs share. */
export interface MsrSurroundings {
  /** Guest time in nanoseconds. */
  now(): number;
  /** Host time of day at guest time 0, in nanoseconds since 1970. */
  bootTime(): bigint;
  /** Writes to guest-physical memory; what is not RAM is left out. */
  writeMemory(address: bigint, bytes: Uint8Array): void;
}

/** Model-specific registers of a vCPU that the core does not keep itself. */
export class Msrs {
  readonly #apic: LocalApic;
  readonly #surroundings: MsrSurroundings;
  readonly #kept = new Map<number, bigint>();
  /** The time stamp counter less guest time. */
  #tscOffset = 0n;
  #tscAdjust = 0n;
  #systemTime = 0n;
  #version = 0;

  constructor(apic: LocalApic, surroundings: MsrSurroundings) {
    this.#apic = apic;
    this.#surroundings = surroundings;
  }

  /** Ticks of the time stamp counter. */
  tsc(): number {
    return Math.floor(this.#surroundings.now()) + Number(this.#tscOffset);
  }

  reset(): void {
    this.#kept.clear();
    this.#tscOffset = 0n;
    this.#tscAdjust = 0n;
    this.#systemTime = 0n;
  }

  /** @returns undefined for a register that there is not: #GP */
  read(index: number): bigint | undefined {
    switch (index) {
      case TSC:
        return BigInt(this.tsc());
      case APIC_BASE:
        return BigInt(this.#apic.base >>> 0);
      case TSC_ADJUST:
        return this.#tscAdjust;
      case UCODE_REV:
        return UCODE;
      case MISC_ENABLE:
        return FAST_STRING;
      case TSC_DEADLINE:
        return this.#apic.timer.tscDeadline;
      case KVM_SYSTEM_TIME:
      case KVM_SYSTEM_TIME_OLD:
        return this.#systemTime;
      default:
        return inert.has(index) ? (this.#kept.get(index) ?? 0n) : undefined;
    }
  }

  /** @returns false for a register that there is not: #GP */
  write(index: number, value: bigint): boolean {
    switch (index) {
      case TSC:
        this.#moveTsc(value - BigInt(this.tsc()));
        return true;
      case APIC_BASE:
        this.#apic.base = Number(value & 0xffffffffn);
        return true;
      case TSC_ADJUST:
        this.#moveTsc(BigInt.asIntN(64, value - this.#tscAdjust));
        return true;
      case UCODE_REV:
      case MISC_ENABLE:
        return true;
      case TSC_DEADLINE:
        this.#apic.timer.setTscDeadline(value, Number(BigInt.asUintN(63, value) - this.#tscOffset));
        return true;
      case KVM_SYSTEM_TIME:
      case KVM_SYSTEM_TIME_OLD:
        this.#systemTime = value;
        this.publishTime();
        return true;
      case KVM_WALL_CLOCK:
      case KVM_WALL_CLOCK_OLD:
        this.#publishWallClock(value);
        return true;
      default:
        if (!inert.has(index)) return false;
        this.#kept.set(index, value);
        return true;
    }
  }

  #moveTsc(ticks: bigint): void {
    this.#tscOffset += ticks;
    this.#tscAdjust = BigInt.asUintN(64, this.#tscAdjust + ticks);
    this.publishTime();
  }

  /** struct pvclock_vcpu_time_info: at TSC `a` it was `b` ns; a tick is 1 ns. */
  publishTime(): void {
    if ((this.#systemTime & SYSTEM_TIME_ENABLED) === 0n) return;
    const now = this.#surroundings.now();
    const info = Buffer.alloc(32);
    this.#version += 2;
    info.writeUInt32LE(this.#version, 0);
    info.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.floor(now)) + this.#tscOffset), 8);
    info.writeBigUInt64LE(BigInt(Math.floor(now)), 16);
    // (ticks << 1) * 2^31 / 2^32
    info.writeUInt32LE(0x80000000, 24);
    info.writeInt8(1, 28);
    info.writeUInt8(TSC_STABLE, 29);
    this.#surroundings.writeMemory(this.#systemTime & ~SYSTEM_TIME_ENABLED, info);
  }

  /** struct pvclock_wall_clock: time of day at guest time 0. */
  #publishWallClock(address: bigint): void {
    const boot = this.#surroundings.bootTime();
    const clock = Buffer.alloc(12);
    clock.writeUInt32LE(2, 0);
    clock.writeUInt32LE(Number(boot / 1_000_000_000n) >>> 0, 4);
    clock.writeUInt32LE(Number(boot % 1_000_000_000n), 8);
    this.#surroundings.writeMemory(address, clock);
  }
}
