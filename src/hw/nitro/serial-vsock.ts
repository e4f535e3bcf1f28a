import type { Chardev } from '../../chardev/chardev.js';
import { chardevProperty } from '../../chardev/property.js';
import type { ObjectClass } from '../../qom/types.js';
import type { System } from '../../system/system.js';
import { consoleTrace, EnclaveConsole } from './enclave-console.js';
import { NitroVsockDevice } from './vsock-bus.js';

/** The console of a debug enclave on a character device. */
export class NitroSerialVsock extends NitroVsockDevice {
  output: Chardev | undefined;
  readonly #system: System;
  readonly #traceEvent: (event: number) => void;
  #console: EnclaveConsole | undefined;

  constructor(type: ObjectClass, system: System, traceEvent: (event: number) => void) {
    super(type);
    this.#system = system;
    this.#traceEvent = traceEvent;
  }

  protected override onRealize(): void {
    this.#console = new EnclaveConsole(this.#system, this.output, this.#traceEvent);
  }

  protected override async onUnrealize(): Promise<void> {
    await this.#console?.detach();
  }

  override async enclaveStarted(cid: number): Promise<void> {
    await this.#console?.start(cid);
  }

  override async enclaveEnded(): Promise<void> {
    await this.#console?.end();
  }
}

export function defineSerialVsock(system: System): void {
  const traceEvent = consoleTrace(system);
  system.types.define({
    name: 'nitro-serial-vsock',
    parent: 'nitro-vsock-device',
    create: (type) => new NitroSerialVsock(type, system, traceEvent),
    data: { desc: 'Console of a debug enclave on a character device' },
    properties: {
      chardev: chardevProperty<NitroSerialVsock>(system, 'output'),
    },
  });
}
