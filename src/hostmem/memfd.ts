import { closeSync, ftruncateSync } from 'node:fs';
import { HostFacts } from '../host/host-facts.js';
import { addSeals, memfdCreate, mmap, Seal } from '../host/memory.js';
import { type Property, prop } from '../qom/property.js';
import type { ObjectClass } from '../qom/types.js';
import { QemuError } from '../system/errors.js';
import { type Int64, int64 } from '../system/json.js';
import type { System } from '../system/system.js';
import { type Backing, HostMemoryBackend } from './backend.js';
import { hugePagesHint, noSuchSizeHint, smallPagesHint } from './hints.js';
import { cannotMap, checkAddressSpace, step } from './map-errors.js';
import { smallPageSize } from './page-size.js';
import { bytes, sizeProperty } from './properties.js';

/** Where the kernel has no huge pages at all, its refusal is asked for with the size most have. */
const USUAL_HUGE_PAGE = 2 * 1024 * 1024;

interface MemfdOptions {
  readonly name: string;
  /** Bytes, a multiple of the page size. */
  readonly size: number;
  readonly hugePageSize?: number;
  readonly seal: boolean;
  readonly shared: boolean;
  readonly reserve: boolean;
}

/** Maps a new memfd. @throws QemuError with the cause and the fix as hint */
export function mapMemfd(options: MemfdOptions): Backing {
  const { name, size, hugePageSize, seal } = options;
  checkAddressSpace(size);
  const fd = create(name, hugePageSize, seal);
  try {
    step(`failed to resize memfd to ${size}`, () => ftruncateSync(fd, size));
    const seals = Seal.GROW | Seal.SHRINK | Seal.SEAL;
    if (seal) step(`failed to add seals 0x${seals.toString(16)}`, () => addSeals(fd, seals));
    const mapping = step(
      cannotMap,
      () => mmap({ size, fd, shared: options.shared, noReserve: !options.reserve }),
      () => (hugePageSize === undefined ? smallPagesHint(size) : hugePagesHint(size, hugePageSize)),
    );
    return { mapping, fd, pageSize: hugePageSize ?? smallPageSize() };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function create(name: string, hugePageSize: number | undefined, sealable: boolean): number {
  // MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB and the page size (<linux/memfd.h>), for the sentence alone.
  const flags = 1 + (sealable ? 2 : 0) + (hugePageSize === undefined ? 0 : 4 + Math.log2(hugePageSize) * 2 ** 26);
  return step(
    `failed to create memfd with flags 0x${flags.toString(16)}`,
    () => memfdCreate(name, { sealable, ...(hugePageSize === undefined ? {} : { hugePageSize }) }),
    () => (hugePageSize === undefined ? undefined : noSuchSizeHint(hugePageSize)),
  );
}

/** `memory-backend-memfd`: an unnamed file in memory, with huge pages on request. */
export class MemfdBackend extends HostMemoryBackend {
  hugetlb = false;
  seal = true;
  #hugetlbsize = 0;

  constructor(type: ObjectClass, system: System) {
    super(type, system);
    this.share = true;
  }

  get hugetlbsize(): number {
    return this.#hugetlbsize;
  }

  set hugetlbsize(size: number) {
    this.refuseAllocated();
    if (size === 0) throw new QemuError(`Property '${this.type.name}.hugetlbsize' doesn't take value '0'`);
    this.#hugetlbsize = size;
  }

  protected override open(): Backing {
    const hugePageSize = this.hugetlb ? this.#hugePageSize() : undefined;
    this.checkPageSize(hugePageSize ?? smallPageSize());
    return mapMemfd({
      name: this.type.name,
      size: this.size,
      ...(hugePageSize === undefined ? {} : { hugePageSize }),
      seal: this.seal,
      shared: this.share,
      reserve: this.reserve,
    });
  }

  #hugePageSize(): number {
    const size = this.#hugetlbsize || (new HostFacts().defaultHugePageSize() ?? USUAL_HUGE_PAGE);
    if (!Number.isInteger(Math.log2(size))) throw new QemuError('Hugepage size must be a power of 2');
    return size;
  }
}

export const memfdProperties: Readonly<Record<string, Property>> = {
  hugetlb: prop.bool<MemfdBackend>({
    get: (backend) => backend.hugetlb,
    set: (backend, value) => {
      backend.hugetlb = value;
    },
    description: 'Made of huge pages',
  }),
  seal: prop.bool<MemfdBackend>({
    get: (backend) => backend.seal,
    set: (backend, value) => {
      backend.seal = value;
    },
    description: 'The file can neither grow nor shrink',
  }),
  hugetlbsize: sizeProperty<MemfdBackend>({
    get: (backend) => int64(BigInt(backend.hugetlbsize)),
    set: (backend, value: Int64) => {
      backend.hugetlbsize = bytes(value);
    },
    description: 'Bytes of a huge page (as 2M, 1G)',
  }),
};
