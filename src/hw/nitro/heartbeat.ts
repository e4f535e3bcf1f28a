import type { Chardev, CharFrontend } from '../../chardev/chardev.js';
import { addChardev, removeChardev } from '../../chardev/create.js';
import type { ObjectClass } from '../../qom/types.js';
import { asError, QemuError } from '../../system/errors.js';
import type { System } from '../../system/system.js';
import { HEARTBEAT_BYTE, HEARTBEAT_PORT } from './heartbeat-protocol.js';
import { NitroVsockDevice } from './vsock-bus.js';

const CID_ANY = '4294967295';
const CHARDEV_ID = 'nitro-heartbeat';
/** Another enclave's parent holds the port until its own heartbeat is answered. */
export const PORT_RETRY_LIMIT_MS = 10_000;
const PORT_RETRY_STEP_MS = 100;

/** Trace points of the device. */
interface HeartbeatTrace {
  event(event: number): void;
  done(): void;
}

/** Answers the first byte of the first connection with the same byte; then its work is done, as in QEMU. */
export class NitroHeartbeat extends NitroVsockDevice {
  readonly #system: System;
  readonly #trace: HeartbeatTrace;
  #chardev: Chardev | undefined;

  constructor(type: ObjectClass, system: System, trace: HeartbeatTrace) {
    super(type);
    this.#system = system;
    this.#trace = trace;
  }

  protected override async onRealize(): Promise<void> {
    const chardev = await this.#listen();
    this.#chardev = chardev;
    const frontend: CharFrontend = {
      receive: (data) => void this.#answer(chardev, frontend, data),
      opened: () => this.#trace.event(1),
      closed: () => this.#trace.event(5),
    };
    chardev.attach(frontend);
  }

  async #listen(): Promise<Chardev> {
    const addr = { type: 'vsock', data: { cid: CID_ANY, port: String(HEARTBEAT_PORT) } };
    const backend = { type: 'socket', data: { addr, server: true, wait: false } };
    const deadline = Date.now() + PORT_RETRY_LIMIT_MS;
    let warned = false;
    for (;;) {
      try {
        return await addChardev(this.#system, CHARDEV_ID, backend);
      } catch (error) {
        if (!isAddressInUse(error)) throw error;
        if (this.#system.run.ending) throw error;
        if (this.#system.tree.chardevs.component(CHARDEV_ID) !== undefined) throw error;
        if (Date.now() >= deadline) throw await portInUse(asError(error));
        if (!warned) {
          this.#system.report.warn(
            `vsock port ${HEARTBEAT_PORT} (heartbeat) is in use, trying for ${PORT_RETRY_LIMIT_MS / 1000} seconds`,
          );
        }
        warned = true;
        await new Promise((resolve) => setTimeout(resolve, PORT_RETRY_STEP_MS));
      }
    }
  }

  async #answer(chardev: Chardev, frontend: CharFrontend, data: Uint8Array): Promise<void> {
    const byte = data[0];
    if (byte === undefined || this.#chardev === undefined) return;
    this.#chardev = undefined;
    const ok = byte === HEARTBEAT_BYTE;
    if (!ok) {
      this.#system.report.warn(
        `the enclave's heartbeat was 0x${byte.toString(16).padStart(2, '0')} instead of 0x${HEARTBEAT_BYTE.toString(16)}`,
      );
    }
    chardev.write(data.subarray(0, 1));
    this.#trace.done();
    this.#system.events.emit({ type: 'heartbeat', byte, ok });
    chardev.detach(frontend);
    await removeChardev(this.#system, CHARDEV_ID);
  }

  protected override async onUnrealize(): Promise<void> {
    if (this.#chardev === undefined) return;
    this.#chardev = undefined;
    await removeChardev(this.#system, CHARDEV_ID);
  }
}

function isAddressInUse(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && at.code === 'EADDRINUSE') return true;
  }
  return false;
}

async function portInUse(error: Error): Promise<QemuError> {
  const { vsockPortOwner } = await import('../../host/vsock-diag.js');
  const owner = await vsockPortOwner(HEARTBEAT_PORT);
  const who = owner === undefined ? 'another process' : `${owner.comm} (pid ${owner.pid})`;
  return new QemuError(error.message, {
    cause: error,
    hint:
      `vsock port ${HEARTBEAT_PORT} is held by ${who}, perhaps for an enclave that is still booting. ` +
      'Only one process can answer heartbeats at a time: wait for it, stop it, or start with -nodefaults.',
  });
}

export function defineHeartbeat(system: System): void {
  const trace = {
    event: system.trace.define('nitro_heartbeat_event', 'event %d'),
    done: system.trace.define('nitro_heartbeat_done', 'enclave heartbeat received'),
  };
  system.types.define({
    name: 'nitro-heartbeat',
    parent: 'nitro-vsock-device',
    create: (type) => new NitroHeartbeat(type, system, trace),
    data: { desc: 'Answers the heartbeat of the enclave' },
  });
}
