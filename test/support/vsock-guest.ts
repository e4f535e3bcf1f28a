import { VirtioDeviceLoop } from '../../src/hw/virtio/device-loop.js';
import { VirtioMmio } from '../../src/hw/virtio/mmio.js';
import { createRegisters } from '../../src/hw/virtio/registers.js';
import type { VsockBackend } from '../../src/hw/virtio/vsock/backend.js';
import { VsockDevice, vsockLayout } from '../../src/hw/virtio/vsock/device.js';
import { Muxer, type MuxerLimits } from '../../src/hw/virtio/vsock/muxer.js';
import { CountingIrq, Guest, MmioDriver } from './virtio-driver.js';

const GUEST_CID = 4;
const RX_BUFFER = 4096;

/** Wall-clock timers. */
export const after = (ms: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

/** A vsock device on a transport, a backend behind it, and everything it says of the guest. */
export function vsockMachine(backend: Pick<VsockBackend, 'connect'>, limits: Partial<MuxerLimits> = {}) {
  // Rings and buffers come from the same piece of memory again and again: receive buffers are reused, sent ones are few.
  const guest = new Guest({ size: 64 << 20 });
  const registers = createRegisters(vsockLayout(GUEST_CID, false));
  const irq = new CountingIrq();
  const faults: string[] = [];
  const traced: string[] = [];
  const loop = new VirtioDeviceLoop(registers, guest.memory, irq, { fault: (message) => faults.push(message) });
  const trace = (what: string) => traced.push(what);
  const muxer: Muxer = new Muxer({ guestCid: GUEST_CID, backend, limits, after, output: () => device.output(), trace });
  const device = new VsockDevice({ queues: loop, muxer, later: setImmediate, trace });
  loop.attach(device);
  const mmio = new VirtioMmio(registers, { doorbell: () => loop.poll(), guestError: (what) => traced.push(what) });
  const driver = new MmioDriver(guest, mmio);
  return { guest, registers, irq, faults, traced, loop, muxer, device, mmio, driver };
}

export interface Packet {
  srcCid: bigint;
  dstCid: bigint;
  srcPort: number;
  dstPort: number;
  len: number;
  type: number;
  op: number;
  flags: number;
  bufAlloc: number;
  fwdCnt: number;
  payload: Buffer;
}

/** `<linux/virtio_vsock.h>`, written down here once more. */
export function packetBytes(packet: Omit<Packet, 'payload' | 'len'> & { len?: number }, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(44 + payload.length);
  bytes.writeBigUInt64LE(packet.srcCid, 0);
  bytes.writeBigUInt64LE(packet.dstCid, 8);
  bytes.writeUInt32LE(packet.srcPort, 16);
  bytes.writeUInt32LE(packet.dstPort, 20);
  bytes.writeUInt32LE(packet.len ?? payload.length, 24);
  bytes.writeUInt16LE(packet.type, 28);
  bytes.writeUInt16LE(packet.op, 30);
  bytes.writeUInt32LE(packet.flags, 32);
  bytes.writeUInt32LE(packet.bufAlloc, 36);
  bytes.writeUInt32LE(packet.fwdCnt, 40);
  bytes.set(payload, 44);
  return bytes;
}

export function parsePacket(data: Uint8Array): Packet {
  const bytes = Buffer.from(data);
  return {
    srcCid: bytes.readBigUInt64LE(0),
    dstCid: bytes.readBigUInt64LE(8),
    srcPort: bytes.readUInt32LE(16),
    dstPort: bytes.readUInt32LE(20),
    len: bytes.readUInt32LE(24),
    type: bytes.readUInt16LE(28),
    op: bytes.readUInt16LE(30),
    flags: bytes.readUInt32LE(32),
    bufAlloc: bytes.readUInt32LE(36),
    fwdCnt: bytes.readUInt32LE(40),
    payload: bytes.subarray(44),
  };
}

/** The raw end: packets as the guest's driver puts and gets them, with `buffers` receive buffers posted. */
export class RawVsock {
  readonly driver: MmioDriver;
  readonly #guest: Guest;
  readonly #freeTx: number[] = [];

  constructor({ driver, guest }: { driver: MmioDriver; guest: Guest }, buffers = 64) {
    this.driver = driver;
    this.#guest = guest;
    driver.start({ queues: 3, size: 128, features: (1n << 28n) | (1n << 29n) });
    for (let i = 0; i < buffers; i++) this.#post(guest.alloc(RX_BUFFER));
    driver.queue(2).add('event', [], [4]);
    driver.kick(0);
    driver.kick(2);
  }

  #post(at: number): void {
    this.driver.queue(0).addPlaced(at, [{ at, length: RX_BUFFER, flags: 2 }]);
  }

  /** @returns false when the transmit queue is full */
  send(bytes: Uint8Array): boolean {
    const queue = this.driver.queue(1);
    for (const { token } of queue.takeAll()) this.#freeTx.push(Number(token));
    const at = this.#freeTx.pop() ?? this.#guest.alloc(44 + 65536);
    this.#guest.memory.write(at, bytes);
    // Header and payload in pieces that fit no structure.
    const cut = Math.min(bytes.length, 20);
    const buffers = [
      { at, length: cut, flags: 0 },
      { at: at + cut, length: bytes.length - cut, flags: 0 },
    ];
    const added = queue.addPlaced(at, buffers);
    if (!added) this.#freeTx.push(at);
    if (added) this.driver.kick(1);
    return added;
  }

  /** The packets that came since this was called last; their buffers are posted again. */
  receive(limit = Number.POSITIVE_INFINITY): Packet[] {
    const packets: Packet[] = [];
    while (packets.length < limit) {
      const used = this.driver.queue(0).take();
      if (used === undefined) break;
      packets.push(parsePacket(used.bytes));
      this.#post(Number(used.token));
    }
    if (packets.length > 0) this.driver.kick(0);
    return packets;
  }

  events(): number {
    return this.driver.queue(2).takeAll().length;
  }
}

/** A stream socket of the model guest. What breaks the credit rules throws where it arrives. */
export class GuestSocket {
  readonly #guest: ModelGuest;
  readonly peer: { cid: bigint; port: number };
  readonly port: number;
  state: 'connecting' | 'open' | 'reset' = 'connecting';
  /** The host's SHUTDOWN flags, and ours. */
  peerShut = 0;
  ownShut = 0;
  /** Bytes not yet sent. */
  readonly outgoing: Buffer[] = [];
  finishing = false;
  /** Bytes received and not yet read. */
  readonly incoming: Buffer[] = [];
  /** Reads nothing while true. */
  stuck = false;
  received = Buffer.alloc(0);
  receivedBytes = 0;
  keep = true;
  readonly bufAlloc: number;
  #rxCnt = 0;
  #fwdCnt = 0;
  #toldFwd = 0;
  #txCnt = 0;
  #peerAlloc = 0;
  #peerFwd = 0;
  onData: ((data: Buffer) => void) | undefined;
  /** The peer will send no more, and all that it sent has been read. */
  onEnd: (() => void) | undefined;

  constructor(guest: ModelGuest, peer: { cid: bigint; port: number }, port: number, bufAlloc: number) {
    this.#guest = guest;
    this.peer = peer;
    this.port = port;
    this.bufAlloc = bufAlloc;
  }

  /** @returns whether the packet went out */
  transmit(op: number, flags = 0, payload: Uint8Array = Buffer.alloc(0)): boolean {
    this.#toldFwd = this.#fwdCnt;
    return this.#guest.transmit({
      srcCid: BigInt(GUEST_CID),
      dstCid: this.peer.cid,
      srcPort: this.port,
      dstPort: this.peer.port,
      ...{ type: 1, op, flags, bufAlloc: this.bufAlloc, fwdCnt: this.#fwdCnt % 2 ** 32, payload: Buffer.from(payload) },
    });
  }

  accept(packet: Packet): void {
    this.#peerAlloc = packet.bufAlloc;
    this.#peerFwd = packet.fwdCnt;
    if (packet.srcCid !== this.peer.cid) throw new Error('reply from another CID');
    switch (packet.op) {
      case 2:
        this.state = 'open';
        return;
      case 3:
        this.state = 'reset';
        return;
      case 4:
        this.peerShut |= packet.flags;
        return;
      case 5:
        this.#rxCnt += packet.payload.length;
        if (this.#rxCnt - this.#toldFwd > this.bufAlloc) throw new Error('more data than credit');
        if ((this.peerShut & 2) !== 0) throw new Error('data after the end of data');
        if (packet.payload.length === 0) throw new Error('a data packet without data');
        this.incoming.push(packet.payload);
        return;
      case 6:
        return;
      case 7:
        this.transmit(6);
        return;
      default:
        throw new Error(`op ${packet.op}`);
    }
  }

  /** Reads and writes what can be read and written now. */
  progress(): void {
    while (!this.stuck) {
      const data = this.incoming.shift();
      if (data === undefined) break;
      this.#fwdCnt += data.length;
      this.receivedBytes += data.length;
      if (this.keep) this.received = Buffer.concat([this.received, data]);
      this.onData?.(data);
    }
    if ((this.peerShut & 2) !== 0 && this.incoming.length === 0) {
      const ended = this.onEnd;
      this.onEnd = undefined;
      ended?.();
    }
    if (this.state !== 'open') return;
    if (this.#toldFwd !== this.#fwdCnt && this.bufAlloc - (this.#rxCnt - this.#toldFwd) < this.bufAlloc / 4) {
      this.transmit(6);
    }
    for (let data = this.outgoing[0]; data !== undefined; data = this.outgoing[0]) {
      const room = Math.min(this.#peerAlloc - ((this.#txCnt - this.#peerFwd) >>> 0), 65536);
      if (room <= 0) return;
      const piece = data.subarray(0, room);
      if (!this.transmit(5, 0, piece)) return;
      this.#txCnt = (this.#txCnt + piece.length) >>> 0;
      if (piece.length === data.length) this.outgoing.shift();
      else this.outgoing[0] = data.subarray(room);
    }
    if (this.finishing && (this.ownShut & 2) === 0 && this.transmit(4, 2)) this.ownShut |= 2;
  }

  write(data: Uint8Array): void {
    this.outgoing.push(Buffer.from(data));
    this.#guest.progress();
  }

  /** shutdown(SHUT_WR), after what was written. */
  finish(): void {
    this.finishing = true;
    this.#guest.progress();
  }

  /** close() */
  close(): void {
    if (this.state === 'open') this.transmit(4, 3);
    this.ownShut = 3;
  }
}

/** A guest with a vsock socket layer, independent of the device's: the other end for its tests. */
export class ModelGuest {
  readonly raw: RawVsock;
  readonly #sockets = new Map<string, GuestSocket>();
  readonly #listeners = new Map<number, (socket: GuestSocket) => void>();
  readonly #backlog: Buffer[] = [];
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #bufAlloc: number;
  #nextPort = 40_000;
  #stopped = false;
  resets = 0;

  /** @param polled looks at its rings each millisecond; else the caller calls progress() */
  constructor(machine: { driver: MmioDriver; guest: Guest }, { bufAlloc = 262_144, buffers = 64, polled = true } = {}) {
    this.raw = new RawVsock(machine, buffers);
    this.#bufAlloc = bufAlloc;
    if (polled) this.#timer = setInterval(() => this.progress(), 1);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  listen(port: number, onSocket: (socket: GuestSocket) => void): void {
    this.#listeners.set(port, onSocket);
  }

  connect(port: number, cid = 3n): GuestSocket {
    const socket = new GuestSocket(this, { cid, port }, this.#nextPort++, this.#bufAlloc);
    this.#sockets.set(`${cid}:${port}:${socket.port}`, socket);
    socket.transmit(1);
    return socket;
  }

  /** As Linux, data waits for the ring; control packets are queued. */
  transmit(packet: Omit<Packet, 'len'>): boolean {
    const bytes = packetBytes(packet, packet.payload);
    if (this.#backlog.length === 0 && this.raw.send(bytes)) return true;
    if (packet.op === 5) return false;
    this.#backlog.push(bytes);
    return true;
  }

  progress(): void {
    if (this.#stopped) return;
    for (let bytes = this.#backlog[0]; bytes !== undefined && this.raw.send(bytes); bytes = this.#backlog[0]) {
      this.#backlog.shift();
    }
    for (const packet of this.raw.receive()) this.#deliver(packet);
    for (const [key, socket] of this.#sockets) {
      socket.progress();
      if (socket.state === 'reset' && socket.incoming.length === 0) this.#sockets.delete(key);
    }
  }

  #deliver(packet: Packet): void {
    if (packet.dstCid !== BigInt(GUEST_CID) || packet.type !== 1) throw new Error('a packet for somebody else');
    if (packet.len !== packet.payload.length) throw new Error('used length and packet length differ');
    const key = `${packet.srcCid}:${packet.srcPort}:${packet.dstPort}`;
    const known = this.#sockets.get(key);
    if (known !== undefined) {
      known.accept(packet);
      return;
    }
    const listener = this.#listeners.get(packet.dstPort);
    if (packet.op === 1 && listener !== undefined) {
      const peer = { cid: packet.srcCid, port: packet.srcPort };
      const socket = new GuestSocket(this, peer, packet.dstPort, this.#bufAlloc);
      this.#sockets.set(key, socket);
      socket.accept({ ...packet, op: 2 });
      socket.transmit(2);
      listener(socket);
    } else if (packet.op === 3) {
      this.resets += 1;
    } else {
      const { srcCid, dstCid, srcPort, dstPort } = packet;
      this.transmit({
        ...{ srcCid: dstCid, dstCid: srcCid, srcPort: dstPort, dstPort: srcPort },
        ...{ type: 1, op: 3, flags: 0, bufAlloc: 0, fwdCnt: 0, payload: Buffer.alloc(0) },
      });
    }
  }
}
