import { HEARTBEAT_PORT } from '../../nitro/heartbeat-protocol.js';
import type { GuestDialer, HostStream, HostStreamEvents, VsockBackend, VsockDestination } from './backend.js';

/** The enclave's init gives up after the 2 s of its kernel, and is not to wait for a backend that does not answer. */
const CLAIM_LIMIT_MS = 1_000;

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
    const connecting = this.#inner.connect(destination);
    if (destination.port !== HEARTBEAT_PORT) return await connecting;
    return (await inTime(connecting)) ?? new HeartbeatStream(this.#onBeat);
  }

  async listen(dialer: GuestDialer): Promise<void> {
    await this.#inner.listen(dialer);
  }

  close(): void {
    this.#inner.close();
  }
}

/** The stream, if there is one within CLAIM_LIMIT_MS; a later one is closed. */
async function inTime(connecting: Promise<HostStream>): Promise<HostStream | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      connecting.then(
        (stream) => stream.destroy(),
        () => {},
      );
      resolve(undefined);
    }, CLAIM_LIMIT_MS);
  });
  const claimed = await Promise.race([connecting.catch(() => undefined), late]);
  clearTimeout(timer);
  return claimed;
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
