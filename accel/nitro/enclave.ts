import { closeSync, constants, openSync } from 'node:fs';
import type { RamBlock } from '../accel.js';
import {
  encodeMemoryRegion,
  encodeStartInfo,
  NE_ADD_VCPU,
  NE_CREATE_VM,
  NE_DEVICE,
  NE_SET_USER_MEMORY_REGION,
  NE_START_ENCLAVE,
  startedCid,
} from './abi.js';

/** What the enclave needs of src/host. */
export interface EnclaveHost {
  /** Off the main thread: each request waits up to 120 s for the Nitro card (abi spec section 6). */
  ioctlBlocking(fd: number, request: number, argument: Uint8Array): Promise<number>;
  watch(fd: number, interest: { hangup: boolean }, callback: () => void): { close(): void };
}

/**
 * One enclave slot of /dev/nitro_enclaves: INIT until `start`, then RUNNING until it ends or `close`. Closing the
 * descriptor stops the enclave and gives memory and CPUs back; there is no other way, and no restart.
 */
export class Enclave {
  readonly slotUid: bigint;
  readonly #fd: number;
  readonly #host: EnclaveHost;
  #closed = false;
  #pending = 0;
  #watch: { close(): void } | undefined;

  private constructor(fd: number, slotUid: bigint, host: EnclaveHost) {
    this.#fd = fd;
    this.slotUid = slotUid;
    this.#host = host;
  }

  /** Opens the driver. @throws the error of open(2) */
  static openDevice(): number {
    return openSync(NE_DEVICE, constants.O_RDWR);
  }

  /** NE_CREATE_VM on a descriptor of the driver. @throws HostError */
  static async create(device: number, host: EnclaveHost): Promise<Enclave> {
    const slot = Buffer.alloc(8);
    const fd = await host.ioctlBlocking(device, NE_CREATE_VM, slot);
    return new Enclave(fd, slot.readBigUInt64LE(), host);
  }

  async #ioctl(request: number, argument: Uint8Array): Promise<number> {
    this.#pending += 1;
    try {
      return await this.#host.ioctlBlocking(this.#fd, request, argument);
    } finally {
      this.#pending -= 1;
      if (this.#closed && this.#pending === 0) closeSync(this.#fd);
    }
  }

  /** True while a request is with the driver. */
  get busy(): boolean {
    return this.#pending > 0;
  }

  /** NE_SET_USER_MEMORY_REGION: the memory belongs to the enclave from `start` on. @throws HostError */
  async donate(block: RamBlock): Promise<void> {
    await this.#ioctl(NE_SET_USER_MEMORY_REGION, encodeMemoryRegion(block.size, block.address));
  }

  /** NE_ADD_VCPU, the driver chooses. @returns the id of the parent's CPU it took. @throws HostError */
  async addVcpu(): Promise<number> {
    const id = Buffer.alloc(4);
    await this.#ioctl(NE_ADD_VCPU, id);
    return id.readUInt32LE();
  }

  /** NE_START_ENCLAVE. @returns the CID in use. @throws HostError */
  async start(debug: boolean, cid: bigint): Promise<number> {
    const info = encodeStartInfo(debug, cid);
    await this.#ioctl(NE_START_ENCLAVE, info);
    return startedCid(info);
  }

  /** Calls back once when the running enclave ends by itself: POLLHUP is all the descriptor ever reports. */
  watchEnd(callback: () => void): void {
    this.#watch = this.#host.watch(this.#fd, { hangup: true }, () => {
      this.#watch?.close();
      this.#watch = undefined;
      callback();
    });
  }

  /** Gives the slot back; a request still with the driver finishes first. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.close();
    if (this.#pending === 0) closeSync(this.#fd);
  }
}
