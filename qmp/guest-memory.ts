import { QemuError } from '../src/system/errors.js';
import { readRam } from '../src/system/guest-ram.js';
import type { CpuAccess } from '../src/system/machine.js';
import type { System } from '../src/system/system.js';
import { flatView } from './flat-view.js';

/** @throws QemuError when this process cannot read guest memory (it was donated to an enclave) */
export function checkMemoryReadable(system: System): void {
  const reason = system.machine.memoryUnreadable;
  if (reason !== undefined) throw new QemuError(reason);
}

/**
 * Guest-physical memory.
 *
 * @returns undefined where no RAM answers
 * @throws QemuError when guest memory cannot be read at all
 */
export function readPhysical(system: System, address: bigint, length: number): Uint8Array | undefined {
  checkMemoryReadable(system);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const range of flatView(system.systemMemory, (region) => region.ram !== undefined)) {
    const from = address + BigInt(at);
    if (at === length || range.first > from) break;
    if (range.last < from || range.region.ram === undefined) continue;
    const count = Math.min(length - at, Number(range.last - from) + 1);
    bytes.set(readRam(range.region.ram, Number(range.offset + from - range.first), count), at);
    at += count;
  }
  return at === length ? bytes : undefined;
}

const PAGE = 4096n;

/**
 * Memory as a vCPU sees it, page by page.
 *
 * @returns undefined where nothing is mapped, or no RAM answers
 */
export async function readVirtual(
  system: System,
  cpus: CpuAccess,
  cpu: number,
  address: bigint,
  length: number,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const at = address + BigInt(done);
    const count = Math.min(length - done, Number(PAGE - (at % PAGE)));
    const physical = await cpus.translate(cpu, at);
    const piece = physical === undefined ? undefined : readPhysical(system, physical, count);
    if (piece === undefined) return undefined;
    bytes.set(piece, done);
    done += count;
  }
  return bytes;
}
