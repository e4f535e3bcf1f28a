import { SharedLock } from '../../system/shared-lock.js';
import type { QueueAddresses } from './queue.js';

// <linux/virtio_config.h>
export const Status = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 0x40,
  failed: 0x80,
} as const;
export const VIRTIO_F_VERSION_1 = 1n << 32n;
// <linux/virtio_ring.h>
export const VIRTIO_RING_F_INDIRECT_DESC = 1n << 28n;
export const VIRTIO_RING_F_EVENT_IDX = 1n << 29n;

/** InterruptStatus bits. */
export const Interrupt = { usedBuffer: 1, configChange: 2 } as const;

/** What a transport is made for; all of it stays as it is, but the contents of the configuration space. */
export interface RegisterLayout {
  /** VIRTIO_ID_*, 0 for a transport without a device. */
  readonly deviceId: number;
  /** Features offered. */
  readonly features: bigint;
  /** Largest size of each queue; at most 32 queues. */
  readonly queueSizes: readonly number[];
  /** Initial contents of the configuration space. */
  readonly config: Uint8Array;
  /** Version 1 of the transport (force-legacy) instead of 2. */
  readonly legacy: boolean;
}

const word = {
  deviceId: 0,
  offeredLow: 1,
  offeredHigh: 2,
  legacy: 3,
  queueCount: 4,
  configSize: 5,
  registerLock: 6,
  queueLock: 7,
  status: 8,
  offeredSel: 9,
  acceptedSel: 10,
  acceptedLow: 11,
  acceptedHigh: 12,
  queueSel: 13,
  interrupt: 14,
  configGeneration: 15,
  notified: 16,
  resets: 17,
  pageSize: 18,
  claims: 19,
} as const;
const HEADER_WORDS = 20;

const queueWord = {
  max: 0,
  size: 1,
  ready: 2,
  generation: 3,
  descLow: 4,
  descHigh: 5,
  driverLow: 6,
  driverHigh: 7,
  deviceLow: 8,
  deviceHigh: 9,
  align: 10,
  pfn: 11,
} as const;
const QUEUE_WORDS = 12;

/** Registers of a queue that hold one half of an address. */
export type AddressHalf = 'descLow' | 'descHigh' | 'driverLow' | 'driverHigh' | 'deviceLow' | 'deviceHigh';

/**
 * The registers of one virtio-mmio transport in shared memory. Every thread that touches the transport attaches an object
 * of its own to the same buffer: the vCPU that trapped works on the registers (mmio.ts), the device loop on the queues
 * (device-loop.ts). `registerLock` serialises register accesses. `queueLock` is held while a thread works on the rings, and by
 * a reset while it takes them away: after a reset no old ring is touched any more.
 */
export class VirtioRegisters {
  readonly buffer: SharedArrayBuffer;
  readonly registerLock: SharedLock;
  readonly queueLock: SharedLock;
  /** The configuration space. */
  readonly config: Uint8Array;
  readonly deviceId: number;
  readonly legacy: boolean;
  readonly queueCount: number;
  readonly #words: Uint32Array;

  /** @param buffer made by createRegisters() */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Uint32Array(buffer);
    this.registerLock = new SharedLock(new Int32Array(buffer, 4 * word.registerLock, 1));
    this.queueLock = new SharedLock(new Int32Array(buffer, 4 * word.queueLock, 1));
    this.deviceId = this.#get(word.deviceId);
    this.legacy = this.#get(word.legacy) === 1;
    this.queueCount = this.#get(word.queueCount);
    const configOffset = 4 * (HEADER_WORDS + QUEUE_WORDS * this.queueCount);
    this.config = new Uint8Array(buffer, configOffset, this.#get(word.configSize));
  }

  #get(index: number): number {
    return Atomics.load(this.#words, index);
  }

  #set(index: number, value: number): void {
    Atomics.store(this.#words, index, value);
  }

  get status(): number {
    return this.#get(word.status);
  }

  /** The driver's write; NEEDS_RESET is the device's and stays. */
  writeStatus(value: number): void {
    for (;;) {
      const old = this.status;
      const next = (value & ~Status.needsReset) | (old & Status.needsReset);
      if (Atomics.compareExchange(this.#words, word.status, old, next) === old) return;
    }
  }

  /**
   * The device cannot go on, of which the driver hears by a configuration change (virtio 1.2, 2.1.2): the caller then
   * pulses the line.
   *
   * @returns false when that was so already
   */
  setNeedsReset(): boolean {
    const isNew = (Atomics.or(this.#words, word.status, Status.needsReset) & Status.needsReset) === 0;
    if (isNew) this.setInterrupt(Interrupt.configChange);
    return isNew;
  }

  /** The driver has finished and nothing has gone wrong since. */
  get live(): boolean {
    return (this.status & (Status.driverOk | Status.needsReset | Status.failed)) === Status.driverOk;
  }

  get offeredSel(): number {
    return this.#get(word.offeredSel);
  }

  set offeredSel(value: number) {
    this.#set(word.offeredSel, value);
  }

  get acceptedSel(): number {
    return this.#get(word.acceptedSel);
  }

  set acceptedSel(value: number) {
    this.#set(word.acceptedSel, value);
  }

  /** Features of the device. */
  get offered(): bigint {
    return wide(this.#get(word.offeredLow), this.#get(word.offeredHigh));
  }

  /** Offers only those of the layout's features that are also in `mask`; before a driver looks. */
  limitFeatures(mask: bigint): void {
    const offered = this.offered & mask;
    this.#set(word.offeredLow, Number(offered & 0xffffffffn));
    this.#set(word.offeredHigh, Number(offered >> 32n));
  }

  /** Features that the driver wrote. */
  get accepted(): bigint {
    return wide(this.#get(word.acceptedLow), this.#get(word.acceptedHigh));
  }

  set accepted(value: bigint) {
    this.#set(word.acceptedLow, Number(value & 0xffffffffn));
    this.#set(word.acceptedHigh, Number(value >> 32n));
  }

  /** Features in force, once the driver has finished. */
  get negotiated(): bigint {
    return this.accepted & this.offered;
  }

  get queueSel(): number {
    return this.#get(word.queueSel);
  }

  set queueSel(value: number) {
    this.#set(word.queueSel, value);
  }

  get interruptStatus(): number {
    return this.#get(word.interrupt);
  }

  /** The device has news: the caller then pulses the line. */
  setInterrupt(bits: number): void {
    Atomics.or(this.#words, word.interrupt, bits);
  }

  acknowledge(bits: number): void {
    Atomics.and(this.#words, word.interrupt, ~bits);
  }

  get configGeneration(): number {
    return this.#get(word.configGeneration);
  }

  /** Replaces the configuration space from the start; readers see the generation change. Takes the register lock. */
  changeConfig(bytes: Uint8Array, timeoutMs: number): void {
    const held = this.registerLock.acquire(timeoutMs);
    this.config.set(bytes.subarray(0, this.config.length));
    Atomics.add(this.#words, word.configGeneration, 1);
    if (held) this.registerLock.release();
  }

  /** Guest page size of the legacy transport in bytes. */
  get pageSize(): number {
    return this.#get(word.pageSize);
  }

  set pageSize(value: number) {
    this.#set(word.pageSize, value);
  }

  notify(queue: number): void {
    Atomics.or(this.#words, word.notified, 1 << queue);
  }

  notifyAll(): void {
    Atomics.store(this.#words, word.notified, 0xffffffff);
  }

  /** The queues notified since this was asked last, one bit each. */
  takeNotified(): number {
    return Atomics.exchange(this.#words, word.notified, 0);
  }

  /** Somebody is about to take rings away: who has them lets go of the queue lock. Followed by releaseClaim(). */
  claimRings(): void {
    Atomics.add(this.#words, word.claims, 1);
  }

  releaseClaim(): void {
    Atomics.sub(this.#words, word.claims, 1);
  }

  get ringsClaimed(): boolean {
    return this.#get(word.claims) !== 0;
  }

  /** How often the device was reset, modulo 2^32. */
  get resets(): number {
    return this.#get(word.resets);
  }

  /**
   * Every register as after power-on, but for the configuration space and the page size, which legacy drivers write
   * before they reset the device. The caller holds both locks.
   */
  reset(): void {
    for (const index of [word.status, word.offeredSel, word.acceptedSel, word.acceptedLow, word.acceptedHigh])
      this.#set(index, 0);
    for (const index of [word.queueSel, word.interrupt, word.notified]) this.#set(index, 0);
    for (let queue = 0; queue < this.queueCount; queue++) {
      this.#dropQueue(queue);
      this.setQueueSize(queue, this.queueMax(queue));
      for (let field: number = queueWord.descLow; field < QUEUE_WORDS; field++) this.#set(at(queue, field), 0);
    }
    Atomics.add(this.#words, word.resets, 1);
  }

  /** 0 for a queue that does not exist, as the next two. */
  queueMax(queue: number): number {
    return queue < this.queueCount ? this.#get(at(queue, queueWord.max)) : 0;
  }

  queueSize(queue: number): number {
    return queue < this.queueCount ? this.#get(at(queue, queueWord.size)) : 0;
  }

  queueReady(queue: number): boolean {
    return queue < this.queueCount && this.#get(at(queue, queueWord.ready)) === 1;
  }

  setQueueSize(queue: number, size: number): void {
    this.#set(at(queue, queueWord.size), size);
  }

  setQueueAddress(queue: number, half: AddressHalf, value: number): void {
    this.#set(at(queue, queueWord[half]), value);
  }

  startQueue(queue: number): void {
    Atomics.add(this.#words, at(queue, queueWord.generation), 1);
    this.#set(at(queue, queueWord.ready), 1);
  }

  /** The caller holds the queue lock. */
  stopQueue(queue: number): void {
    this.#dropQueue(queue);
  }

  #dropQueue(queue: number): void {
    this.#set(at(queue, queueWord.ready), 0);
    Atomics.add(this.#words, at(queue, queueWord.generation), 1);
  }

  /** Changes whenever the queue is started, stopped or reset. */
  queueGeneration(queue: number): number {
    return this.#get(at(queue, queueWord.generation));
  }

  queueAddresses(queue: number): QueueAddresses {
    const address = (low: number, high: number) => wide(this.#get(at(queue, low)), this.#get(at(queue, high)));
    return {
      size: this.queueSize(queue),
      desc: address(queueWord.descLow, queueWord.descHigh),
      driver: address(queueWord.driverLow, queueWord.driverHigh),
      device: address(queueWord.deviceLow, queueWord.deviceHigh),
    };
  }

  /** QueueAlign and QueuePFN of the legacy transport. */
  queueAlign(queue: number): number {
    return this.#get(at(queue, queueWord.align));
  }

  setQueueAlign(queue: number, bytes: number): void {
    this.#set(at(queue, queueWord.align), bytes);
  }

  queuePfn(queue: number): number {
    return queue < this.queueCount ? this.#get(at(queue, queueWord.pfn)) : 0;
  }

  setQueuePfn(queue: number, pfn: number): void {
    this.#set(at(queue, queueWord.pfn), pfn);
  }
}

function at(queue: number, field: number): number {
  return HEADER_WORDS + QUEUE_WORDS * queue + field;
}

function wide(low: number, high: number): bigint {
  return BigInt(low) | (BigInt(high) << 32n);
}

/** The shared memory of a new transport, in the state after a reset. */
export function createRegisters(layout: RegisterLayout): VirtioRegisters {
  const { deviceId, features, queueSizes, config, legacy } = layout;
  const words = HEADER_WORDS + QUEUE_WORDS * queueSizes.length;
  const buffer = new SharedArrayBuffer(4 * words + config.length);
  const view = new Uint32Array(buffer, 0, words);
  view[word.deviceId] = deviceId;
  view[word.offeredLow] = Number(features & 0xffffffffn);
  view[word.offeredHigh] = Number(features >> 32n);
  view[word.legacy] = legacy ? 1 : 0;
  view[word.queueCount] = queueSizes.length;
  view[word.configSize] = config.length;
  for (const [queue, size] of queueSizes.entries()) view[at(queue, queueWord.max)] = size;
  const registers = new VirtioRegisters(buffer);
  registers.config.set(config);
  registers.reset();
  return registers;
}
