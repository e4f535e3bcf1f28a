import type { FaultBoard } from '../../../attestation/faults.js';
import { HEARTBEAT_PORT } from '../../nitro/heartbeat-protocol.js';
import type { GuestDialer, HostStream, HostStreamEvents, VsockBackend, VsockDestination } from './backend.js';

/** A backend whose connections can be made to go wrong: faults `heartbeat-lost` and `vsock-reset`. */
export class FaultyBackend implements VsockBackend {
  readonly #inner: VsockBackend;
  readonly #faults: FaultBoard;

  constructor(inner: VsockBackend, faults: FaultBoard) {
    this.#inner = inner;
    this.#faults = faults;
  }

  async connect(destination: VsockDestination): Promise<HostStream> {
    if (this.#faults.take('vsock-reset') !== undefined) throw new Error('reset by fault injection');
    if (destination.port === HEARTBEAT_PORT && this.#faults.take('heartbeat-lost') !== undefined) {
      return new SilentStream();
    }
    return new FaultyStream(await this.#inner.connect(destination), this.#faults);
  }

  async listen(dialer: GuestDialer): Promise<void> {
    await this.#inner.listen({
      dial: (port, stream, opened) => dialer.dial(port, new FaultyStream(stream, this.#faults), opened),
    });
  }

  close(): void {
    this.#inner.close();
  }
}

/** A stream that is reset when the guest sends on it while the fault is on. */
class FaultyStream implements HostStream {
  readonly #inner: HostStream;
  readonly #faults: FaultBoard;
  #reset = false;

  constructor(inner: HostStream, faults: FaultBoard) {
    this.#inner = inner;
    this.#faults = faults;
  }

  attach(events: HostStreamEvents): void {
    this.#inner.attach({
      data: (bytes) => events.data(bytes),
      end: () => events.end(),
      written: (count) => events.written(count),
      closed: (failed) => events.closed(failed || this.#reset),
    });
  }

  write(bytes: Uint8Array): void {
    if (this.#faults.take('vsock-reset') === undefined) {
      this.#inner.write(bytes);
      return;
    }
    this.#reset = true;
    this.#inner.destroy();
  }

  end(): void {
    this.#inner.end();
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  release(): void {
    this.#inner.release();
  }

  destroy(): void {
    this.#inner.destroy();
  }
}

/** Takes everything and answers nothing. */
class SilentStream implements HostStream {
  #events: HostStreamEvents | undefined;

  attach(events: HostStreamEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    this.#events?.written(bytes.length);
  }

  end(): void {}

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
