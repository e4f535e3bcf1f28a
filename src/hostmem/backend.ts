import { close } from 'node:fs';
import { promisify } from 'node:util';
import { Advice, type Mapping, MemPolicy } from '../host/memory.js';
import type { QomObject } from '../qom/object.js';
import { resolveLink } from '../qom/path.js';
import type { ObjectClass } from '../qom/types.js';
import { UserCreatable } from '../qom/user-creatable.js';
import { QemuError } from '../system/errors.js';
import type { GuestRam } from '../system/guest-ram.js';
import { createRegion, type MemoryRegion } from '../system/memory.js';
import { sizeText } from '../system/numbers.js';
import { osErrorText } from '../system/os-error.js';
import type { System } from '../system/system.js';
import { nodesHint, pagesOnNodesHint } from './hints.js';
import { preallocate } from './prealloc.js';
import { nextRamOffset } from './ram-offset.js';

export type HostMemPolicy = keyof typeof MemPolicy;

/** NUMA nodes that QEMU knows (MAX_NODES). */
const MAX_NODES = 128;

/** Unmapped by one call, bytes. */
const FREE_SLICE = 64 * 2 ** 20;

/** Host memory as a backend type got it. */
export interface Backing {
  readonly mapping: Mapping;
  /** The file behind it, undefined for anonymous memory; the backend closes it. */
  readonly fd?: number;
  /** Bytes of the pages it is made of. */
  readonly pageSize: number;
  /** Guests and loaders cannot write to it. */
  readonly rom?: boolean;
  /** The contents are not zero bytes by definition: an existing file. */
  readonly contents?: boolean;
}

/** A `memory-backend-*` object: RAM of the host that a guest can be given. */
export abstract class HostMemoryBackend extends UserCreatable implements GuestRam {
  readonly system: System;
  /** Bytes. */
  size = 0;
  share = false;
  reserve = true;
  prealloc: boolean;
  policy: HostMemPolicy = 'default';
  /** NUMA nodes, ascending. */
  hostNodes: readonly number[] = [];
  canonicalRamblockId = false;
  preallocContext: QomObject | undefined;
  /** Part of a guest's memory. */
  mapped = false;
  #merge: boolean;
  #dump: boolean;
  #preallocThreads: number | undefined;
  #backing: Backing | undefined;
  #region: MemoryRegion | undefined;
  #ramOffset = 0;
  #preallocating = false;

  constructor(type: ObjectClass, system: System) {
    super(type);
    this.system = system;
    this.prealloc = system.settings.memPrealloc ?? false;
    this.#merge = system.hasMachine ? system.machine.memMerge : true;
    this.#dump = system.hasMachine ? system.machine.dumpGuestCore : true;
  }

  /** Gets the memory; size and page size are known to fit together when it returns. @throws QemuError */
  protected abstract open(): Backing | Promise<Backing>;

  /** Gets memory of the size asked for and places it as policy and prealloc say. @throws QemuError */
  override async complete(): Promise<void> {
    await this.allocate();
  }

  /** What `complete` does. @throws QemuError; the caller takes the object out of the tree again, which frees all */
  async allocate(): Promise<void> {
    this.#checkPolicy();
    const backing = await this.open();
    const others = memoryBackends(this.system).filter((backend) => backend.allocated);
    this.#ramOffset = nextRamOffset(
      others.map(({ ramOffset, size }) => ({ offset: ramOffset, size })),
      this.size,
    );
    this.#backing = backing;
    this.#region = createRegion(this.system.types, this.label, BigInt(this.size), backing.rom === true ? 'rom' : 'ram');
    this.#region.ram = this;
    this.addChild(`${this.label.replaceAll('/', '\\x2f')}[*]`, this.#region);
    this.#adviseMerge();
    if (!this.#dump) this.#advise(Advice.DONTDUMP, 'dump');
    this.#bind(backing);
    if (this.prealloc) await this.#preallocate(backing);
  }

  protected override finalize(): void {
    const backing = this.#backing;
    this.#backing = undefined;
    if (backing !== undefined) free(backing).catch((error) => this.system.report.error(error));
  }

  override canBeDeleted(): boolean {
    return !this.mapped && !this.#preallocating;
  }

  /** Name of the RAM block and its region. */
  get label(): string {
    return this.canonicalRamblockId ? this.canonicalPath : this.name;
  }

  get allocated(): boolean {
    return this.#backing !== undefined;
  }

  #memory(): Backing {
    if (this.#backing === undefined) throw new Error(`${this.canonicalPath} has no memory`);
    return this.#backing;
  }

  /** Where the memory is in this process, in every thread of it. */
  get address(): bigint {
    return this.#memory().mapping.address;
  }

  /** The file whose bytes from `fileOffset` on are the memory; undefined for anonymous memory. */
  get fd(): number | undefined {
    return this.#memory().fd;
  }

  /** Where in the file the memory begins. */
  get fileOffset(): number {
    return 0;
  }

  /** Bytes of the pages the memory is made of. */
  get pageSize(): number {
    return this.#memory().pageSize;
  }

  get rom(): boolean {
    return this.#memory().rom === true;
  }

  /** Position in the space of all RAM blocks (`info ramblock`). */
  get ramOffset(): number {
    return this.#ramOffset;
  }

  get region(): MemoryRegion {
    if (this.#region === undefined) throw new Error(`${this.canonicalPath} has no memory`);
    return this.#region;
  }

  windows(offset: number, length: number): Iterable<Uint8Array> {
    return this.#memory().mapping.windows(offset, length);
  }

  /** @throws QemuError unless the size is a multiple of the page size */
  protected checkPageSize(pageSize: number): void {
    if (this.size % pageSize === 0) return;
    const next = Math.ceil(this.size / pageSize) * pageSize;
    throw new QemuError(`backend '${this.type.name}' memory size must be multiple of ${sizeText(pageSize)}`, {
      hint: `${sizeText(this.size)} was asked for; the next size that fits is ${sizeText(next)}.`,
    });
  }

  /** @throws QemuError `sentence` for properties that count at allocation only */
  refuseAllocated(sentence = 'cannot change property value'): void {
    if (this.allocated) throw new QemuError(sentence);
  }

  /** One thread a vCPU, as QEMU preallocates. */
  get preallocThreads(): number {
    return this.#preallocThreads ?? (this.system.hasMachine ? this.system.machine.smp.cpus : 1);
  }

  set preallocThreads(count: number) {
    if (count === 0) throw this.valueError('prealloc-threads', '0');
    this.#preallocThreads = count;
  }

  get merge(): boolean {
    return this.#merge;
  }

  set merge(on: boolean) {
    if (this.allocated) this.#advise(on ? Advice.MERGEABLE : Advice.UNMERGEABLE, 'merge');
    this.#merge = on;
  }

  get dump(): boolean {
    return this.#dump;
  }

  set dump(on: boolean) {
    if (this.allocated) this.#advise(on ? Advice.DODUMP : Advice.DONTDUMP, 'dump');
    this.#dump = on;
  }

  setSize(bytes: number): void {
    this.refuseAllocated(`cannot change property size of ${this.type.name} `);
    if (bytes === 0) throw this.valueError('size', '0');
    this.size = bytes;
  }

  setReserve(on: boolean): void {
    this.refuseAllocated();
    if (this.prealloc && !on) throw new QemuError("'prealloc=on' and 'reserve=off' are incompatible");
    this.reserve = on;
  }

  /** Allocated memory is populated now; pages are never given back. */
  async setPrealloc(on: boolean): Promise<void> {
    if (!this.reserve && on) throw new QemuError("'prealloc=on' and 'reserve=off' are incompatible");
    if (this.#backing === undefined) this.prealloc = on;
    else if (on && !this.prealloc) {
      await this.#preallocate(this.#backing);
      this.prealloc = true;
    }
  }

  setHostNodes(nodes: readonly number[]): void {
    const bad = nodes.find((node) => node >= MAX_NODES);
    if (bad !== undefined) throw new QemuError(`Invalid host-nodes value: ${bad}`);
    this.hostNodes = [...new Set(nodes)].sort((a, b) => a - b);
  }

  setPreallocContext(path: string): void {
    const root = this.system.tree.root;
    this.preallocContext = path === '' ? undefined : resolveLink(root, 'prealloc-context', path, 'thread-context');
  }

  protected valueError(property: string, value: string): QemuError {
    return new QemuError(`property '${property}' of ${this.type.name} doesn't take value '${value}'`);
  }

  /** Gives the pages of a shared file back to its file system, where that can be done. */
  protected discardContents(): void {
    try {
      this.#memory().mapping.advise(Advice.REMOVE);
    } catch {
      // A private mapping, or a file system without holes: the contents stay.
    }
  }

  #advise(advice: number, property: string): void {
    try {
      this.#memory().mapping.advise(advice);
    } catch (error) {
      const text = `Couldn't set property '${property}' on '${this.type.name}': ${osErrorText(error)}`;
      throw new QemuError(text, { cause: error });
    }
  }

  /** Merging is on by default, so a kernel without it (KSM) is no reason to fail. */
  #adviseMerge(): void {
    if (!this.#merge) return;
    try {
      this.#memory().mapping.advise(Advice.MERGEABLE);
    } catch {
      this.#merge = false;
    }
  }

  #checkPolicy(): void {
    if (this.hostNodes.length > 0 && this.policy === 'default') {
      throw new QemuError(
        'host-nodes must be empty for policy default, or you should explicitly specify a policy other than default',
      );
    }
    if (this.hostNodes.length === 0 && this.policy !== 'default') {
      throw new QemuError(`host-nodes must be set for policy ${this.policy}`);
    }
  }

  #bind({ mapping, pageSize }: Backing): void {
    if (this.hostNodes.length === 0) return;
    const sentence = 'cannot bind memory to host NUMA nodes';
    try {
      mapping.bind(MemPolicy[this.policy], this.hostNodes);
    } catch (error) {
      throw new QemuError(`${sentence}: ${osErrorText(error)}`, { hint: nodesHint(), cause: error });
    }
    // The kernel reserves huge pages on any node; one that is missing on these would be a fatal signal at first touch.
    const missing = this.policy === 'bind' ? pagesOnNodesHint(this.size, pageSize, this.hostNodes) : undefined;
    if (missing !== undefined) throw new QemuError(`${sentence}: Cannot allocate memory`, { hint: missing });
  }

  async #preallocate({ mapping, contents }: Backing): Promise<void> {
    this.#preallocating = true;
    try {
      await preallocate(mapping, this.preallocThreads, contents !== true);
    } catch (error) {
      throw new QemuError(`qemu_prealloc_mem: preallocating memory failed: ${osErrorText(error)}`, { cause: error });
    } finally {
      this.#preallocating = false;
    }
  }
}

/** Large memory takes its time: neither unmapping nor the last close of a file happens on the main thread. */
async function free({ mapping, pageSize, fd }: Backing): Promise<void> {
  await mapping.release(Math.max(FREE_SLICE, pageSize));
  if (fd !== undefined) await promisify(close)(fd);
}

/** The memory backends below /objects, in the order they were made. */
export function memoryBackends(system: System): HostMemoryBackend[] {
  return [...system.tree.objects.children()].filter((object) => object instanceof HostMemoryBackend);
}
