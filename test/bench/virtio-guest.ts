// The far ends of virtio-vsock.bench.ts, each in a thread of its own: a model guest that waits for interrupts as a vCPU
// does, or a plain server on a unix socket. Both: a connection's first byte says what to do: `e` echoes all that follows,
// `s` swallows all and ends at the peer's end, `g` gives COUNT bytes (4 bytes, little-endian, MiB) and ends.
import { createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Mapping } from '../../src/host/memory.js';
import { SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import { VirtioMmio } from '../../src/hw/virtio/mmio.js';
import { VirtioRegisters } from '../../src/hw/virtio/registers.js';
import { type BellRope, Doorbell } from '../../src/system/doorbell.js';
import { Guest, MmioDriver } from '../support/virtio-driver.js';
import { ModelGuest } from '../support/vsock-guest.js';

export type FarEnd =
  | { readonly kind: 'plain'; readonly path: string }
  | {
      readonly kind: 'guest';
      readonly address: bigint;
      readonly size: number;
      readonly registers: SharedArrayBuffer;
      readonly irqs: SharedArrayBuffer;
      readonly rope: BellRope;
    };

const MIB = 1 << 20;
const chunk = Buffer.alloc(64 * 1024, 'x');

/** One connection. */
class Service {
  readonly #write: (data: Uint8Array) => void;
  readonly #end: () => void;
  #mode = '';

  constructor(write: (data: Uint8Array) => void, end: () => void) {
    this.#write = write;
    this.#end = end;
  }

  receive(data: Buffer): void {
    let rest = data;
    if (this.#mode === '') {
      this.#mode = String.fromCharCode(data[0] ?? 0);
      rest = data.subarray(1);
    }
    if (this.#mode === 'e' && rest.length > 0) this.#write(rest);
    if (this.#mode !== 'g' || rest.length < 4) return;
    for (let left = rest.readUInt32LE() * MIB; left > 0; left -= chunk.length) this.#write(chunk);
    this.#end();
  }

  peerEnded(): void {
    if (this.#mode === 's') this.#end();
  }
}

function serve(path: string): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const service = new Service(
      (data) => socket.write(data),
      () => socket.end(),
    );
    socket.on('data', (data) => service.receive(data)).on('end', () => service.peerEnded());
  });
  server.listen(path, () => parentPort?.postMessage('ready'));
}

function run({ address, size, registers, irqs, rope }: FarEnd & { kind: 'guest' }): void {
  const guest = new Guest({ size, ram: new Mapping(address, size) });
  const bell = new Doorbell(rope);
  const window = new VirtioMmio(new VirtioRegisters(registers), { doorbell: () => bell.ring(), guestError: () => {} });
  const driver = new MmioDriver(guest, window);
  const model = new ModelGuest({ driver, guest }, { buffers: 128, polled: false });
  model.listen(7000, (socket) => {
    const service = new Service(
      (data) => socket.outgoing.push(Buffer.from(data)),
      () => {
        socket.finishing = true;
      },
    );
    socket.keep = false;
    socket.onData = (data) => service.receive(data);
    socket.onEnd = () => service.peerEnded();
  });
  const words = new SharedIrqWords(irqs);
  parentPort?.postMessage('ready');
  for (;;) {
    words.take();
    driver.acknowledge();
    model.progress();
    Atomics.wait(words.kickWord, 0, 0, 100);
  }
}

const far = workerData as FarEnd;
if (far.kind === 'plain') serve(far.path);
else run(far);
