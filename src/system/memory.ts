import { QomObject } from '../qom/object.js';
import { prop } from '../qom/property.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import type { GuestRam } from './guest-ram.js';
import { int64 } from './json.js';

/** `ram` and `rom` are host memory, `i/o` is a container or device window. */
export type RegionKind = 'ram' | 'rom' | 'i/o';

/**
 * A range of guest-physical addresses, nested as QEMU nests memory regions. Offsets and sizes are bytes, 0 to 2^64.
 */
export class MemoryRegion extends QomObject {
  label = '';
  kind: RegionKind = 'i/o';
  size = 0n;
  addr = 0n;
  priority = 0;
  container: MemoryRegion | undefined;
  /** The bytes of a `ram` region, where this process can reach them. */
  ram: GuestRam | undefined;
  /** What shows here is a part of another region, which need not be mapped itself. */
  alias: { readonly region: MemoryRegion; readonly offset: bigint } | undefined;
  readonly subregions: MemoryRegion[] = [];

  /** Maps `region` at `addr` inside this one; higher priorities hide lower ones. */
  add(addr: bigint, region: MemoryRegion, priority = 0): void {
    if (region.container !== undefined) throw new Error(`memory region ${region.label} is mapped already`);
    region.container = this;
    region.addr = addr;
    region.priority = priority;
    this.subregions.push(region);
    this.subregions.sort((a, b) => (a.addr < b.addr ? -1 : a.addr > b.addr ? 1 : b.priority - a.priority));
  }

  /** Unmaps `region` again. */
  remove(region: MemoryRegion): void {
    const at = this.subregions.indexOf(region);
    if (at < 0) return;
    this.subregions.splice(at, 1);
    region.container = undefined;
  }

  /** Absolute start in the address space this region is part of. */
  get absolute(): bigint {
    return this.addr + (this.container?.absolute ?? 0n);
  }
}

/** Makes a region outside the tree; the caller adds it as a child of its owner. */
export function createRegion(types: TypeRegistry, label: string, size: bigint, kind: RegionKind): MemoryRegion {
  const type = types.get('memory-region');
  const region = type?.create();
  if (!(region instanceof MemoryRegion)) throw new Error('type memory-region is not defined');
  region.label = label;
  region.size = size;
  region.kind = kind;
  return region;
}

/** Makes a region that shows `size` bytes of `target` from `offset` on. */
export function createAlias(
  types: TypeRegistry,
  label: string,
  target: MemoryRegion,
  offset: bigint,
  size: bigint,
): MemoryRegion {
  const region = createRegion(types, label, size, target.kind);
  region.alias = { region: target, offset };
  return region;
}

const maxUint64 = (1n << 64n) - 1n;

export function defineMemoryTypes(types: TypeRegistry): void {
  types.define({
    name: 'memory-region',
    parent: 'object',
    create: (type: ObjectClass) => new MemoryRegion(type),
    properties: {
      container: {
        type: 'link<memory-region>',
        flavour: 'object',
        get: (object) => (object as MemoryRegion).container?.canonicalPath ?? '',
        target: (object) => (object as MemoryRegion).container,
      },
      addr: prop.uint64<MemoryRegion>({ get: (region) => int64(region.addr) }),
      // A region of the whole 64-bit space reads one byte less, as the value must fit the type.
      size: prop.uint64<MemoryRegion>({ get: (region) => int64(region.size > maxUint64 ? maxUint64 : region.size) }),
      priority: prop.uint32<MemoryRegion>({ get: (region) => region.priority >>> 0 }),
    },
  });
}
