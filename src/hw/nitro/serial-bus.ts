import { Bus } from '../../qdev/bus.js';
import type { Device } from '../../qdev/device.js';
import type { ObjectClass } from '../../qom/types.js';
import type { System } from '../../system/system.js';
import { IsaSerial } from '../isa/serial.js';
import { consoleTrace, EnclaveConsole } from './enclave-console.js';

/**
 * Where `-device isa-serial,chardev=ID` goes on the nitro machine, which has no ISA bus: tools that know machines by
 * their serial ports (libvirt's <console>) get the enclave's console at the first one. There is nothing behind the
 * others, nor behind the first without debug mode.
 */
export class EnclaveSerialBus extends Bus {
  readonly #system: System;
  readonly #debugMode: boolean;
  readonly #consoles = new Map<Device, EnclaveConsole>();
  readonly #traceEvent: (event: number) => void;
  #warned = false;
  #live: EnclaveConsole | undefined;

  constructor(type: ObjectClass, system: System, debugMode: boolean) {
    super(type);
    this.#system = system;
    this.#debugMode = debugMode;
    this.#traceEvent = consoleTrace(system);
  }

  override attach(device: Device): void {
    super.attach(device);
    if (!(device instanceof IsaSerial)) return;
    const console = new EnclaveConsole(this.#system, device.output, this.#traceEvent);
    this.#consoles.set(device, console);
    if (!this.#debugMode) {
      this.#warn('an enclave has a console in debug mode only (-accel nitro,debug-mode=on): isa-serial stays silent');
    } else if (this.#live === undefined) this.#live = console;
    else this.#warn('an enclave has one console, it is at the first isa-serial: the others stay silent');
  }

  override detach(device: Device): void {
    super.detach(device);
    const console = this.#consoles.get(device);
    this.#consoles.delete(device);
    if (console === this.#live) this.#live = undefined;
    void console?.detach();
  }

  #warn(text: string): void {
    if (!this.#warned) this.#system.report.warn(text);
    this.#warned = true;
  }

  /** The enclave runs at `cid`. @throws QemuError */
  async startEnclave(cid: number): Promise<void> {
    await this.#live?.start(cid);
  }

  /** The enclave is gone: resolves once what it wrote has been passed on. */
  async endEnclave(): Promise<void> {
    await this.#live?.end();
  }
}
