import { closeSync } from 'node:fs';
import { eventfd, eventfdAdd, eventfdTake } from '../../../host/fd.js';
import { type Watch, watch } from '../../../host/reactor.js';
import { UnixSocket } from '../../../host/unix.js';
import { asError, QemuError } from '../../../system/errors.js';
import { address, type GuestMemory } from '../../../system/guest-memory.js';
import type { IrqLine } from '../../../system/irq.js';
import { LOCK_LIMIT_MS, type LoopEvents, type LoopState, queueFeatures, type TransportEnd } from '../device-loop.js';
import type { DevicePlan, DeviceRam } from '../device-plan.js';
import { QueueFault, Virtqueue } from '../queue.js';
import { Interrupt, type VirtioRegisters } from '../registers.js';
import { VhostUserFrontEnd, type Vring } from '../vhost-user/front-end.js';
import type { MemoryRegion } from '../vhost-user/message.js';

/** Receive and transmit; the event queue is the front end's, which has nothing to tell. */
const RINGS = [0, 1] as const;
const CONFIG_SIZE = 8;
const NO_QUEUES = [undefined, undefined, undefined];

export interface VhostUserVsockOptions {
  /** Made for vsockLayout() of CID 0: connect() makes features and CID those of the back end. */
  readonly registers: VirtioRegisters;
  readonly memory: GuestMemory;
  readonly ram: readonly DeviceRam[];
  readonly irq: IrqLine;
  readonly events: LoopEvents;
  /** A connected unix socket, from now on this object's. */
  readonly socket: number;
  readonly notifiers: DevicePlan['notifiers'];
}

interface Bell {
  readonly index: number;
  readonly kick: number;
  readonly call: number;
}

/**
 * A vsock device whose rings another process works on, by the vhost-user protocol (QEMU, docs/interop/vhost-user.rst).
 * While the back end has the rings, the queue lock is held; who claims them (a reset by the guest) rings, and gets them
 * when the back end has let go.
 */
export class VhostUserVsock implements TransportEnd {
  readonly #options: VhostUserVsockOptions;
  readonly #stream: UnixSocket;
  readonly #frontEnd: VhostUserFrontEnd;
  readonly #bells: readonly Bell[];
  readonly #watches: Watch[] = [];
  /** Eventfds to be closed in the end. */
  readonly #owned: number[] = [];
  readonly #bases = new Map<number, { generation: number; base: number }>();
  #settled: Promise<void> = Promise.resolve();
  #paused = true;
  #running = false;
  #lost = '';
  #faults = 0;

  constructor(options: VhostUserVsockOptions) {
    this.#options = options;
    this.#stream = new UnixSocket(options.socket);
    this.#frontEnd = new VhostUserFrontEnd(
      {
        send: (bytes, fds) => {
          if (fds.length === 0) this.#stream.write(bytes);
          else this.#stream.writeWithFds(bytes, fds);
        },
        destroy: () => this.#stream.destroy(),
      },
      (error) => this.#lose(error),
    );
    this.#stream.on('data', (data: Uint8Array) => this.#frontEnd.receive(data));
    this.#stream.on('error', (error) => this.#frontEnd.fail(error));
    this.#stream.on('close', () => this.#frontEnd.fail(new Error('the connection was closed')));
    this.#bells = RINGS.map((index) => ({ index, kick: this.#kickOf(index), call: this.#ownEventfd() }));
    for (const { call } of this.#bells)
      this.#watches.push(watch(call, { readable: true }, () => this.#interrupt(call)));
  }

  /** The accelerator may write the back end's eventfd itself. */
  #kickOf(index: number): number {
    const notifier = this.#options.notifiers?.find(({ queue }) => queue === index);
    return notifier?.eventfd ?? this.#ownEventfd();
  }

  #ownEventfd(): number {
    const fd = eventfd();
    this.#owned.push(fd);
    return fd;
  }

  /** Gets features and CID from the back end; before the guest runs. @throws QemuError */
  async connect(): Promise<void> {
    const { registers } = this.#options;
    try {
      this.#regions();
      registers.limitFeatures(await this.#frontEnd.connect());
      registers.changeConfig(await this.#frontEnd.config(CONFIG_SIZE), LOCK_LIMIT_MS);
    } catch (error) {
      throw new QemuError('vhost-user-vsock: the back end cannot be used', {
        cause: error,
        hint: asError(error).message,
      });
    }
  }

  poll(): void {
    const { registers } = this.#options;
    const notified = registers.takeNotified();
    if (this.#lost !== '') {
      if (registers.live) this.#fail(this.#lost);
      return;
    }
    if (this.#running) {
      for (const { index, kick } of this.#bells) if ((notified & (1 << index)) !== 0) eventfdAdd(kick);
    }
    if (this.#wanted !== this.#running) void this.#settle();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await this.#settle();
  }

  resume(): void {
    this.#paused = false;
    void this.#settle();
  }

  get state(): LoopState {
    return { faults: this.#faults, queues: NO_QUEUES };
  }

  /** Lets go of the back end and everything else. */
  close(): void {
    this.#frontEnd.close();
    this.#release();
    for (const each of this.#watches) each.close();
    for (const fd of this.#owned.splice(0)) closeSync(fd);
  }

  /** Whether the back end shall have the rings. */
  get #wanted(): boolean {
    const { registers } = this.#options;
    const isReady = registers.live && RINGS.every((index) => registers.queueReady(index));
    return isReady && !this.#paused && this.#lost === '' && !registers.ringsClaimed;
  }

  /** Gives the rings or takes them back until all is as wanted, one step after the other. */
  #settle(): Promise<void> {
    const step = async (): Promise<void> => {
      try {
        while (this.#wanted !== this.#running) await (this.#running ? this.#takeRings() : this.#giveRings());
      } catch (error) {
        this.#frontEnd.fail(asError(error));
      }
    };
    this.#settled = this.#settled.then(step);
    return this.#settled;
  }

  async #giveRings(): Promise<void> {
    const { registers } = this.#options;
    if (!registers.queueLock.acquire(LOCK_LIMIT_MS)) throw new Error('the rings were not free in time');
    this.#running = true;
    try {
      const rings = this.#bells.map((bell) => this.#ring(bell));
      const { regions, fds } = this.#regions();
      await this.#frontEnd.start(registers.negotiated, regions, fds, rings);
    } catch (error) {
      this.#release();
      if (!(error instanceof QueueFault)) throw error;
      this.#fail(error.message);
      return;
    }
    // For what was made available before.
    for (const { kick } of this.#bells) eventfdAdd(kick);
  }

  async #takeRings(): Promise<void> {
    const { registers } = this.#options;
    for (const index of RINGS) {
      const base = await this.#frontEnd.stop(index);
      this.#bases.set(index, { generation: registers.queueGeneration(index), base });
    }
    this.#release();
  }

  /** @throws QueueFault when the rings are not in RAM */
  #ring({ index, kick, call }: Bell): Vring {
    const { registers, memory } = this.#options;
    const addresses = registers.queueAddresses(index);
    const { size } = new Virtqueue(memory, addresses, queueFeatures(registers));
    const known = this.#bases.get(index);
    const base = known?.generation === registers.queueGeneration(index) ? known.base : 0;
    const [desc, used, avail] = [addresses.desc, addresses.device, addresses.driver].map((guest) =>
      this.#userAddress(guest),
    );
    if (desc === undefined || used === undefined || avail === undefined) throw new Error('a ring outside of RAM');
    return { index, size, base, kick, call, addresses: { desc, used, avail } };
  }

  /** Where this process has what the guest has at an address. */
  #userAddress(guest: bigint): bigint | undefined {
    const at = address(guest);
    const block = this.#options.ram.find(({ base, size }) => at !== undefined && at >= base && at < base + size);
    return block === undefined ? undefined : block.address + (guest - BigInt(block.base));
  }

  #regions(): { regions: MemoryRegion[]; fds: number[] } {
    const fds: number[] = [];
    const regions = this.#options.ram.map(({ base, size, address, file }) => {
      if (file === undefined) {
        throw new Error('guest RAM is not in a file that another process can map: use -object memory-backend-memfd');
      }
      fds.push(file.fd);
      return {
        guestAddress: BigInt(base),
        size: BigInt(size),
        userAddress: address,
        offset: BigInt(file.offset),
      };
    });
    return { regions, fds };
  }

  #interrupt(call: number): void {
    const { registers, irq } = this.#options;
    eventfdTake(call);
    if (!registers.live) return;
    registers.setInterrupt(Interrupt.usedBuffer);
    irq.pulse();
  }

  #lose({ message }: Error): void {
    this.#lost = `the vhost-user back end is lost: ${message}`;
    this.#release();
    this.#fail(this.#lost);
  }

  #fail(message: string): void {
    const { registers, irq, events } = this.#options;
    this.#faults += 1;
    events.fault(message);
    if (registers.setNeedsReset()) irq.pulse();
  }

  #release(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#options.registers.queueLock.release();
  }
}
