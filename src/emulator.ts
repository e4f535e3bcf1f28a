import { MonitorSet } from '../qmp/monitors.js';
import type { OptionSet, StartConfig } from './cli/config.js';
import { openCharOption, openChardevOption } from './cli/start-chardevs.js';
import { configureMachine, createMachine, Reported, startAccelerator } from './cli/start-machine.js';
import { addDevice } from './qdev/device-add.js';
import { parseCpuModel } from './system/cpu.js';
import { asError, QemuError } from './system/errors.js';
import type { JsonObject } from './system/json.js';
import type { Location } from './system/report.js';
import type { System } from './system/system.js';

/** The machine's phases from options to running, in QEMU's order (system/vl.c, qemu_init). */
export class Emulator {
  readonly #system: System;
  readonly #config: StartConfig;
  readonly #monitors: MonitorSet;
  #exitPreconfig: Promise<void> | undefined;

  constructor(system: System, config: StartConfig, commandLineOptions: () => Promise<JsonObject[]>) {
    this.#system = system;
    this.#config = config;
    this.#monitors = new MonitorSet({
      system,
      exitPreconfig: () => this.exitPreconfig(),
      commandLineOptions: async () => (await commandLineOptions()) as never,
    });
  }

  /** Reports an error at its option and passes on that it has been said. */
  async #at<T>(location: Location, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Reported) throw error;
      this.#system.report.error(asError(error), location);
      throw new Reported();
    }
  }

  /**
   * Makes machine, back ends, accelerator and monitors; then, unless --preconfig, all the rest.
   *
   * @throws Reported once the error is on stderr
   */
  async start(): Promise<void> {
    const system = this.#system;
    const config = this.#config;
    const { type, accel: _accel, ...properties } = config.machine;
    const machine = await this.#at(undefined, () =>
      createMachine(system, typeof type === 'string' ? type : undefined),
    );
    for (const object of config.objects) if (!(await this.#isLate(object))) await this.#addObject(object);
    for (const option of config.chardevs) await this.#at(option.location, () => openChardevOption(system, option));
    await this.#at(undefined, () => configureMachine(machine, properties));
    await startAccelerator(system, machine, config.accels);
    for (const object of config.objects) if (await this.#isLate(object)) await this.#addObject(object);
    await this.#startMonitors();
    await this.#startSerials();
    if (config.cpu !== undefined) {
      const text = config.cpu;
      system.settings.cpu = await this.#at(undefined, () => parseCpuModel(system.settings.arch, text));
    }
    if (!config.preconfig) await this.exitPreconfig();
  }

  async #isLate({ options }: OptionSet): Promise<boolean> {
    const { userCreatableData } = await import('./qom/user-creatable.js');
    const name = options['qom-type'];
    if (typeof name !== 'string') return false;
    await this.#system.objects.known(name);
    const type = this.#system.types.get(name);
    return type !== undefined && userCreatableData(type).createdLate === true;
  }

  async #addObject({ location, options, mode }: OptionSet): Promise<void> {
    await this.#at(location, () => this.#system.objects.add(options, mode));
  }

  async #startMonitors(): Promise<void> {
    for (const [index, option] of this.#config.monitors.entries()) {
      await this.#at(option.location, async () => {
        const { text } = option;
        const chardev =
          text === undefined
            ? namedChardev(this.#system, option.chardev ?? '')
            : await openCharOption(this.#system, `compat_monitor${index}`, text);
        if (chardev === undefined) return;
        if (option.mode === 'control') this.#monitors.addControl(chardev, { pretty: option.pretty });
        else await this.#monitors.addReadline(chardev);
      });
    }
  }

  async #startSerials(): Promise<void> {
    for (const [index, { text, location }] of this.#config.serials.entries()) {
      this.#system.serials.push(
        await this.#at(location, () => openCharOption(this.#system, `serial${index}`, text)),
      );
    }
    for (const [index, { text, location }] of this.#config.parallels.entries()) {
      await this.#at(location, () => openCharOption(this.#system, `parallel${index}`, text));
    }
  }

  /** Builds the machine and, without -S, launches it. A second call is an error. */
  async exitPreconfig(): Promise<void> {
    if (this.#exitPreconfig !== undefined) {
      throw new QemuError('The command is permitted only before machine initialization');
    }
    this.#exitPreconfig = this.#build();
    await this.#exitPreconfig;
  }

  async #build(): Promise<void> {
    const system = this.#system;
    const { machine, accel } = system;
    if (accel === undefined) throw new Error('no accelerator');
    await this.#at(undefined, async () => {
      await machine.preflight();
      system.phase = 'initialized';
      await machine.init(accel);
    });
    for (const { options, mode, location } of this.#config.devices) {
      await this.#at(location, async () => {
        await system.needTypes();
        await addDevice(system, options, mode);
      });
    }
    for (const text of system.globals.unused((driver) => system.types.get(driver) !== undefined)) {
      system.report.warn(text);
    }
    system.run.attach(machine.runTarget());
    system.phase = 'ready';
    if (!this.#config.paused) await this.#at(undefined, () => system.run.resume());
  }
}

function namedChardev(system: System, id: string) {
  const found = system.tree.chardevs.component(id);
  if (found === undefined) throw new QemuError(`chardev "${id}" not found`);
  return found as never;
}
