import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VmConfig, VmEvent } from '../../accel/accel.js';
import { openKvm } from '../../accel/kvm/system.js';
import { KvmVm } from '../../accel/kvm/vm.js';
import * as host from '../../src/host/api.js';
import { longModeEntry } from '../../src/hw/i386/cpu-state.js';
import { guestCpuid } from '../../src/hw/i386/cpuid/guest-cpuid.js';
import { layout, ramRanges } from '../../src/hw/i386/memory-layout.js';
import { parseCpuModel } from '../../src/system/cpu.js';
import { QemuError } from '../../src/system/errors.js';
import { GuestMemory } from '../../src/system/guest-memory.js';
import { Probe } from './probe.js';

/** Why no guest can run here, undefined where one can. */
export function kvmMissing(): string | undefined {
  for (const program of ['as', 'ld']) {
    if (!(process.env.PATH ?? '').split(':').some((path) => existsSync(join(path, program)))) return `no ${program}`;
  }
  try {
    closeSync(openSync('/dev/kvm', constants.O_RDWR));
    return undefined;
  } catch (error) {
    return `/dev/kvm: ${(error as Error).message}`;
  }
}

/** Where guests begin, and their stack. */
export const ENTRY = 0x100000;
/** Where probes are. */
export const PORT = 0x500;
export const MMIO = 0xfeb00000;
const RAM_SIZE = 4 * 2 ** 20;
/** A page directory of the tests' own, for the last GiB below 4 GiB. */
const DEVICE_DIRECTORY = 0x3ff000;

/** Assembles GNU syntax for an address. */
export function assemble(source: string, address = ENTRY): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-guest-'));
  try {
    const file = (name: string) => join(dir, name);
    writeFileSync(file('guest.S'), `${source}\n`);
    execFileSync('as', ['--64', '-o', file('guest.o'), file('guest.S')]);
    const place = [`-Ttext=${address}`, '-e', `${address}`, '--oformat', 'binary'];
    execFileSync('ld', [...place, '-o', file('guest.bin'), file('guest.o')], { stdio: 'pipe' });
    return readFileSync(file('guest.bin'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export interface GuestOptions {
  readonly cpus?: number;
  readonly cpu?: string;
}

/** A guest of a few instructions with a probe on its ports and one on its memory. */
export class KvmGuest {
  readonly ports = new Probe();
  readonly mmio = new Probe();
  readonly events: VmEvent[] = [];
  readonly memory: GuestMemory;
  readonly #ram = host.mmap({ size: RAM_SIZE });
  readonly #code: Buffer;
  readonly #options: GuestOptions;
  #fd = -1;
  #vm: KvmVm | undefined;

  /** @param source GNU assembler, runs in long mode with the first GiB and the last below 4 GiB mapped onto themselves */
  constructor(source: string, options: GuestOptions = {}) {
    this.#code = assemble(source);
    this.#options = options;
    const ram = this.#ram;
    this.memory = new GuestMemory(
      ramRanges({ size: RAM_SIZE, windows: (offset, length) => ram.windows(offset, length) }),
    );
  }

  get vm(): KvmVm {
    if (this.#vm === undefined) throw new Error('the guest is not open');
    return this.#vm;
  }

  /** Makes the machine and resets it. */
  async open(): Promise<this> {
    const { cpus = 1, cpu = 'host' } = this.#options;
    const parts = { host, QemuError };
    this.#fd = openSync('/dev/kvm', constants.O_RDWR);
    const system = openKvm(parts, this.#fd, 'test');
    const config: VmConfig = {
      ram: this.memory.ranges.map(({ base, offset, size }) => ({
        base,
        size,
        address: this.#ram.address + BigInt(offset),
      })),
      cpus,
      cpuModel: parseCpuModel('x86_64', cpu),
      board: () => ({ ports: [this.ports.device(PORT)], mmio: [this.mmio.device(MMIO)] }),
    };
    const worker = new URL('./probe.worker.js', import.meta.url);
    this.#vm = await KvmVm.create(parts, system, config, guestCpuid(system.cpuid, config.cpuModel, cpus), worker);
    this.#vm.onEvent((event) => this.events.push(event));
    await this.reset();
    return this;
  }

  async reset(): Promise<void> {
    this.memory.write(ENTRY, this.#code);
    const state = longModeEntry(this.memory, ENTRY);
    const entries = new BigUint64Array(512).map((_, i) => BigInt(0xc0000000 + i * 0x200000) | 0x83n);
    this.memory.write(DEVICE_DIRECTORY, new Uint8Array(entries.buffer));
    const pointer = new BigUint64Array([BigInt(DEVICE_DIRECTORY) | 3n]);
    this.memory.write(layout.pdpt + 3 * 8, new Uint8Array(pointer.buffer));
    await this.vm.reset(state);
  }

  async close(): Promise<void> {
    await this.#vm?.close();
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#ram.unmap();
  }
}
