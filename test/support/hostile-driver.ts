import * as fc from 'fast-check';
import { VirtioDeviceLoop } from '../../src/hw/virtio/device-loop.js';
import { VirtioMmio } from '../../src/hw/virtio/mmio.js';
import { NsmDevice, nsmLayout } from '../../src/hw/virtio/nsm.js';
import { createRegisters, type RegisterLayout } from '../../src/hw/virtio/registers.js';
import { RngDevice, rngLayout } from '../../src/hw/virtio/rng.js';
import type { HostStream, HostStreamEvents } from '../../src/hw/virtio/vsock/backend.js';
import { VsockDevice, vsockLayout } from '../../src/hw/virtio/vsock/device.js';
import { Muxer } from '../../src/hw/virtio/vsock/muxer.js';
import { Guest, MmioDriver } from './virtio-driver.js';
import { packetBytes } from './vsock-guest.js';

const RAM = 64 << 10;
const CONNECTIONS = 8;

/** An echo that reads at once, on the stack of the writer. */
class EchoStream implements HostStream {
  #events: HostStreamEvents | undefined;

  attach(events: HostStreamEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    this.#events?.data(bytes);
    this.#events?.written(bytes.length);
  }

  end(): void {
    this.#events?.end();
  }

  pause(): void {}

  resume(): void {}

  release(): void {
    this.destroy();
  }

  destroy(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.closed(false);
  }
}

export type HostileKind = 'vsock' | 'nsm' | 'rng';

const layouts: Record<HostileKind, RegisterLayout> = {
  vsock: vsockLayout(4, false),
  nsm: nsmLayout(false),
  rng: rngLayout(false),
};

const word = fc.oneof(fc.nat(16), fc.constantFrom(0x40, 0x80, 0xffff, 0x10000, 0xffffffff), fc.nat(0xffffffff));
const register = fc.constantFrom(
  ...[0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x50, 0x64, 0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0x100],
);
const near = fc.oneof(fc.nat(8), fc.constantFrom(43, 44, 45, 4096, 65536, 65537, 0xffffffff), fc.nat(0xffffffff));
const mostly = <T>(right: T, ...wrong: T[]) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });
const packet = fc.record({
  // What is right most of the time, so that connections come about.
  srcCid: mostly(4n, 5n, (1n << 64n) - 1n),
  dstCid: mostly(3n, 2n, 9n),
  srcPort: mostly(1, 2),
  dstPort: mostly(1, 0),
  type: mostly(1, 2, 7),
  op: fc.oneof(fc.nat(8), fc.constantFrom(1, 5, 5), fc.nat(0xffff)),
  flags: fc.oneof(fc.nat(3), word),
  bufAlloc: near,
  fwdCnt: near,
  len: fc.oneof({ weight: 8, arbitrary: fc.constant(undefined) }, near),
  payload: fc.nat(300),
});

/** What a driver that means harm does next. */
const action = fc.oneof(
  fc.record({ type: fc.constant('register' as const), offset: register, value: word }),
  fc.record({ type: fc.constant('access' as const), offset: fc.nat(0x200), bytes: fc.uint8Array({ maxLength: 9 }) }),
  // Within the rings, or a descriptor's length, flags or next.
  fc.record({ type: fc.constant('poke' as const), queue: fc.nat(2), part: fc.nat(2), at: fc.nat(64), value: word }),
  fc.record({ type: fc.constant('avail' as const), queue: fc.nat(2), step: fc.oneof(fc.nat(3), fc.nat(0xffff)) }),
  fc.record({ type: fc.constant('buffers' as const), queue: fc.nat(2), readable: near, writable: near }),
  { weight: 4, arbitrary: fc.record({ type: fc.constant('packet' as const), packet }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('receive' as const), length: near }) },
  fc.record({ type: fc.constant('reenter' as const), offset: register, value: word }),
);

export const hostileSession = fc.record({
  kind: fc.constantFrom<HostileKind>('vsock', 'vsock', 'nsm', 'rng'),
  features: fc.constantFrom(0n, 1n << 28n, 1n << 29n, (1n << 28n) | (1n << 29n)),
  actions: fc.array(action, { maxLength: 16 }),
});

type Session = typeof hostileSession extends fc.Arbitrary<infer T> ? T : never;
type Action = Session['actions'][number];

/** A device, a driver that does as it is told, and the turns of an event loop one by one. */
class Bench {
  readonly kind: HostileKind;
  readonly driver: MmioDriver;
  readonly muxer: Muxer | undefined;
  readonly #guest = new Guest({ size: RAM });
  readonly #turns: (() => void)[] = [];
  #reentry: Action & { type: 'reenter' } = { type: 'reenter', offset: 0, value: 0 };
  #reentries = 0;

  constructor(kind: HostileKind) {
    this.kind = kind;
    const registers = createRegisters(layouts[kind]);
    const irq = { pulse: () => this.#reenter(), raise: () => {}, lower: () => {} };
    const loop = new VirtioDeviceLoop(registers, this.#guest.memory, irq, { fault: () => {} });
    const later = (turn: () => void) => void this.#turns.push(turn);
    if (kind === 'nsm') loop.attach(new NsmDevice(loop, (request) => request.slice(0, 0x3000)));
    if (kind === 'rng') loop.attach(new RngDevice(loop, (bytes) => bytes.fill(1), later));
    if (kind === 'vsock') {
      const muxer: Muxer = new Muxer({
        guestCid: 4,
        backend: {
          connect: async ({ port }) => {
            if (port === 0) throw new Error('refused');
            return new EchoStream();
          },
        },
        limits: { connections: CONNECTIONS, resets: 4, receiveBuffer: 4096, sendBuffer: 1024 },
        after: () => () => {},
        output: () => device.output(),
        trace: () => {},
      });
      const device = new VsockDevice({ queues: loop, muxer, later, trace: () => {} });
      loop.attach(device);
      this.muxer = muxer;
    }
    const window = new VirtioMmio(registers, { doorbell: () => loop.poll(), guestError: () => {} });
    this.driver = new MmioDriver(this.#guest, window);
  }

  start(features: bigint): void {
    this.driver.start({ queues: layouts[this.kind].queueSizes.length, size: 16, features });
  }

  /** A request as it should be, to port 1. */
  connect(srcPort: number): void {
    const ends = { srcCid: 4n, dstCid: 3n, srcPort, dstPort: 1, bufAlloc: 4096, fwdCnt: 0 };
    this.driver.queue(1).add('', [packetBytes({ ...ends, type: 1, op: 1, flags: 0 }, new Uint8Array(0))], []);
    this.driver.put(0x50, 1);
  }

  /** An interrupt is answered by a register access at once, on the device's stack; twice at most. */
  #reenter(): void {
    if (this.#reentries >= 2) return;
    this.#reentries += 1;
    if (this.#reentry.offset !== 0) this.driver.put(this.#reentry.offset, this.#reentry.value);
  }

  /** Turns of the event loop, with what promises have brought. @throws Error when there is no end of them */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 200; turn++) {
      for (let i = 0; i < 5; i++) await null;
      const next = this.#turns.shift();
      if (next === undefined) return;
      next();
    }
    throw new Error('the device does not come to rest');
  }

  act(action: Action): void {
    this.#reentries = 0;
    const { driver } = this;
    if (action.type === 'register') driver.put(action.offset, action.value);
    else if (action.type === 'access') {
      driver.window.write(action.offset, action.bytes);
      driver.window.read(action.offset, new Uint8Array(action.bytes.length));
    } else if (action.type === 'reenter') this.#reentry = action;
    else if (action.type === 'packet') this.#send(action.packet);
    else if (action.type === 'receive') this.#receive(action.length);
    else this.#abuse(action);
  }

  /** A receive buffer, of any length that fits. */
  #receive(length: number): void {
    const queue = this.driver.queues[0];
    if (queue === undefined || !this.#place(queue, [], [Math.min(length, 4096)])) return;
    this.driver.put(0x50, 0);
  }

  #send({ payload, len, ...header }: (Action & { type: 'packet' })['packet']): void {
    const queue = this.driver.queues[1];
    const bytes = packetBytes({ ...header, ...(len === undefined ? {} : { len }) }, new Uint8Array(payload));
    // What was sent before is not reused: RAM may run out.
    if (queue === undefined || !this.#place(queue, [bytes], [])) return;
    this.driver.put(0x50, 1);
  }

  #place(queue: MmioDriver['queues'][number], readable: Uint8Array[], writable: number[]): boolean {
    try {
      return queue.add('', readable, writable);
    } catch {
      return false;
    }
  }

  #abuse(action: Action & { type: 'poke' | 'avail' | 'buffers' }): void {
    const queue = this.driver.queues[action.queue];
    if (queue === undefined) return;
    const { ring } = queue;
    if (action.type === 'poke') {
      const base = [ring.desc, ring.avail, ring.used][action.part] ?? 0;
      this.#guest.put32(base + (action.at & ~3), action.value);
    } else if (action.type === 'avail') {
      this.#guest.put16(ring.avail + 2, (this.#guest.u16(ring.avail + 2) + action.step) & 0xffff);
    } else {
      // Lengths as they are written: what is beyond RAM is the device's to find.
      const buffers = [
        { at: 1 << 12, length: action.readable, flags: 0 },
        { at: 1 << 14, length: action.writable, flags: 2 },
      ];
      queue.addPlaced(
        '',
        buffers.filter(({ length }) => length > 0),
      );
    }
    this.driver.put(0x50, action.queue);
  }
}

/**
 * Whether the device came through: nothing was thrown, its connections stay within their limit, and after a reset it
 * serves a driver that keeps to the rules.
 */
export async function recovers({ kind, features, actions }: Session): Promise<boolean> {
  const bench = new Bench(kind);
  bench.start(features);
  // Something to abuse.
  if (kind === 'vsock') bench.connect(1);
  for (const action of actions) {
    await bench.settle();
    bench.act(action);
    if ((bench.muxer?.size.connections ?? 0) > CONNECTIONS) return false;
  }
  await bench.settle();
  bench.act({ type: 'reenter', offset: 0, value: 0 });
  bench.start(features);
  const queue = bench.driver.queue(0);
  queue.add('request', kind === 'nsm' ? [Uint8Array.of(1, 2, 3)] : [], kind === 'nsm' ? [] : [4096]);
  if (kind === 'nsm') queue.add('response', [], [0x3000]);
  bench.driver.put(0x50, 0);
  if (kind === 'vsock') bench.connect(77);
  await bench.settle();
  const expected = { nsm: 3, rng: 4096, vsock: 44 }[kind];
  return queue.takeAll().at(-1)?.length === expected;
}
