import { HEARTBEAT_PORT } from '../../nitro/heartbeat-protocol.js';
import type { GuestDialer, HostStream, HostStreamEvents, VsockBackend, VsockDestination } from './backend.js';

/**
 * Answers the enclave's heartbeat within this process where the backend behind it takes no connection to its port.
 *
 * @see NitroHeartbeat, which does the same for enclaves of the Nitro Hypervisor
 */
export class HeartbeatBackend implements VsockBackend {
  readonly #inner: VsockBackend;
  readonly #onBeat: (byte: number) => void;

  /** @param onBeat told the byte of each heartbeat answered here */
  constructor(inner: VsockBackend, onBeat: (byte: number) => void) {
    this.#inner = inner;
    this.#onBeat = onBeat;
  }

  async connect(destination: VsockDestination): Promise<HostStream> {
    try {
      return await this.#inner.connect(destination);
    } catch (error) {
      if (destination.port !== HEARTBEAT_PORT) throw error;
      return new HeartbeatStream(this.#onBeat);
    }
  }

  async listen(dialer: GuestDialer): Promise<void> {
    await this.#inner.listen(dialer);
  }

  close(): void {
    this.#inner.close();
  }
}

/** Sends the first byte back and ends. */
class HeartbeatStream implements HostStream {
  readonly #onBeat: (byte: number) => void;
  #events: HostStreamEvents | undefined;
  #answered = false;

  constructor(onBeat: (byte: number) => void) {
    this.#onBeat = onBeat;
  }

  attach(events: HostStreamEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    const [byte] = bytes;
    if (!this.#answered && byte !== undefined) {
      this.#answered = true;
      this.#onBeat(byte);
      this.#events?.data(Uint8Array.of(byte));
      this.#events?.end();
    }
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
