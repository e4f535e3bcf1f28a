import { closeSync } from 'node:fs';
import { eventfdAdd, eventfdTake } from '../../src/host/fd.js';
import { mmap } from '../../src/host/memory.js';
import { type Watch, watch } from '../../src/host/reactor.js';
import { listenUnix, type UnixServer, type UnixSocket } from '../../src/host/unix.js';
import { VirtioDeviceLoop } from '../../src/hw/virtio/device-loop.js';
import { createRegisters, Status, type VirtioRegisters } from '../../src/hw/virtio/registers.js';
import type { VsockBackend } from '../../src/hw/virtio/vsock/backend.js';
import { VsockDevice, vsockLayout } from '../../src/hw/virtio/vsock/device.js';
import { Muxer } from '../../src/hw/virtio/vsock/muxer.js';
import { GuestMemory, type RamRange } from '../../src/system/guest-memory.js';
import { after } from './vsock-guest.js';

const F_PROTOCOL = 1n << 30n;
const P_CONFIG = 1n << 9n;
const RINGS = 2;

/**
 * Our vsock device as the back end of another program's vhost-user-vsock (docs/interop/vhost-user.rst of QEMU): that
 * program's CPU and a real driver put it to the test. It serves one start of the guest.
 */
export class VsockBackEnd {
  readonly muxer: Muxer;
  readonly faults: string[] = [];
  readonly #registers: VirtioRegisters;
  readonly #cid: number;
  readonly #device: VsockDevice;
  readonly #server: UnixServer;
  readonly #watches: Watch[] = [];
  readonly #fds: number[] = [];
  readonly #calls: number[] = [];
  #stream: UnixSocket | undefined;
  #memory = new GuestMemory([]);
  #regions: { guest: bigint; user: bigint; size: bigint }[] = [];
  #loop: VirtioDeviceLoop | undefined;
  #input = Buffer.alloc(0);

  constructor(path: string, cid: number, backend: VsockBackend) {
    this.#cid = cid;
    this.#registers = createRegisters(vsockLayout(cid, false));
    const trace = () => {};
    this.muxer = new Muxer({ guestCid: cid, backend, after, output: () => this.#device.output(), trace });
    const queues = {
      use: <T>(queue: number, work: Parameters<VirtioDeviceLoop['use']>[1]) => this.#loop?.use(queue, work) as T,
      changeConfig: () => {},
    };
    this.#device = new VsockDevice({ queues, muxer: this.muxer, later: setImmediate, trace });
    this.#server = listenUnix({ path });
    this.#server.on('connection', (stream) => {
      this.#stream = stream;
      stream.on('data', (data: Buffer) => this.#receive(data));
    });
  }

  close(): void {
    this.#loop?.pause();
    this.muxer.close();
    for (const each of this.#watches) each.close();
    for (const fd of this.#fds) closeSync(fd);
    this.#stream?.destroy();
    this.#server.close();
  }

  #receive(data: Buffer): void {
    this.#input = Buffer.concat([this.#input, data]);
    while (this.#input.length >= 12) {
      const end = 12 + this.#input.readUInt32LE(8);
      if (this.#input.length < end) return;
      const payload = this.#input.subarray(12, end);
      const reply = this.#answer(this.#input.readUInt32LE(0), payload);
      if (reply !== undefined) this.#reply(this.#input.readUInt32LE(0), reply);
      this.#input = this.#input.subarray(end);
    }
  }

  #reply(request: number, payload: Buffer): void {
    const header = Buffer.alloc(12);
    header.writeUInt32LE(request, 0);
    header.writeUInt32LE(5, 4);
    header.writeUInt32LE(payload.length, 8);
    this.#stream?.write(Buffer.concat([header, payload]));
  }

  #takeFd(): number {
    const fd = this.#stream?.takeFd();
    if (fd === undefined) throw new Error('a message without its descriptor');
    return fd;
  }

  #answer(request: number, payload: Buffer): Buffer | undefined {
    switch (request) {
      case 1:
        return u64(this.#registers.offered | F_PROTOCOL);
      case 15:
        return u64(P_CONFIG);
      case 24: {
        payload.writeBigUInt64LE(BigInt(this.#cid), 12);
        return payload;
      }
      case 2:
        this.#registers.accepted = payload.readBigUInt64LE() & ~F_PROTOCOL;
        return undefined;
      case 5:
        this.#map(payload);
        return undefined;
      case 8:
        this.#registers.setQueueSize(payload.readUInt32LE(0), payload.readUInt32LE(4));
        return undefined;
      case 9:
        this.#place(payload);
        return undefined;
      case 11:
        this.#registers.stopQueue(payload.readUInt32LE(0));
        return payload;
      case 12:
        this.#watchKick(payload.readUInt32LE(0) & 0xff, this.#keep(this.#takeFd()));
        return undefined;
      case 13:
        this.#calls[payload.readUInt32LE(0) & 0xff] = this.#keep(this.#takeFd());
        return undefined;
      case 14:
        this.#keep(this.#takeFd());
        return undefined;
      case 18:
        this.#enable(payload.readUInt32LE(0), payload.readUInt32LE(4) === 1);
        return undefined;
      default:
        return undefined;
    }
  }

  #keep(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  #map(payload: Buffer): void {
    const ranges: RamRange[] = [];
    for (let i = 0; i < payload.readUInt32LE(0); i++) {
      const [guest = 0n, size = 0n, user = 0n, offset = 0n] = [0, 8, 16, 24].map((at) =>
        payload.readBigUInt64LE(8 + 32 * i + at),
      );
      const ram = mmap({ fd: this.#keep(this.#takeFd()), size: Number(size), offset: Number(offset) });
      ranges.push({ base: Number(guest), ram, offset: 0, size: Number(size) });
      this.#regions.push({ guest, user, size });
    }
    this.#memory = new GuestMemory(ranges);
  }

  /** Rings come in the addresses of the other program. */
  #place(payload: Buffer): void {
    const queue = payload.readUInt32LE(0);
    for (const [part, at] of [
      ['desc', 8],
      ['device', 16],
      ['driver', 24],
    ] as const) {
      const user = payload.readBigUInt64LE(at);
      const region = this.#regions.find((each) => user >= each.user && user < each.user + each.size);
      if (region === undefined) throw new Error('a ring outside of the memory table');
      const guest = user - region.user + region.guest;
      this.#registers.setQueueAddress(queue, `${part}Low`, Number(guest & 0xffffffffn));
      this.#registers.setQueueAddress(queue, `${part}High`, Number(guest >> 32n));
    }
  }

  #watchKick(queue: number, fd: number): void {
    this.#watches.push(
      watch(fd, { readable: true }, () => {
        eventfdTake(fd);
        this.#registers.notify(queue);
        this.#loop?.poll();
      }),
    );
  }

  #enable(queue: number, on: boolean): void {
    if (!on) return;
    this.#registers.startQueue(queue);
    if (queue !== RINGS - 1) return;
    // All is there: what a driver would do with the registers themselves.
    const pulse = () => {
      for (const call of this.#calls) eventfdAdd(call);
    };
    const irq = { pulse, raise: () => {}, lower: () => {} };
    this.#registers.writeStatus(Status.acknowledge | Status.driver | Status.featuresOk | Status.driverOk);
    const events = { fault: (message: string) => this.faults.push(message) };
    this.#loop = new VirtioDeviceLoop(this.#registers, this.#memory, irq, events);
    this.#loop.attach(this.#device);
    this.#registers.notifyAll();
    this.#loop.poll();
  }
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
