import { closeSync, openSync } from 'node:fs';
import type { Chardev } from './chardev/chardev.js';
import { findChardev, openMuxes } from './chardev/create.js';
import { defaultPortTexts } from './cli/collect.js';
import type { CharOption, StartConfig } from './cli/config.js';
import { openChardevOption, openCharText, openPort, readCharText } from './cli/start-chardevs.js';
import { configureMachine, createMachine, Reported, startAccelerator } from './cli/start-machine.js';
import { addDevice } from './qdev/device-add.js';
import { type CheckedOptions, type UserObjects, userCreatableData } from './qom/user-creatable.js';
import { parseCpuModel } from './system/cpu.js';
import { asError, QemuError } from './system/errors.js';
import { systemReason } from './system/process.js';
import type { Location } from './system/report.js';
import type { System } from './system/system.js';

/** Monitors on character devices. */
export interface Monitors {
  addControl(chardev: Chardev, options: { pretty: boolean; readOnly: boolean; eventQueue?: number }): void;
  addReadline(chardev: Chardev, options?: { readOnly?: boolean }): Promise<void>;
  humanMonitor(): Promise<(line: string) => Promise<string>>;
}

/** The machine's phases from options to running, in QEMU's order (system/vl.c, qemu_init). */
export class Emulator {
  readonly #system: System;
  readonly #config: StartConfig;
  readonly #monitors: Monitors;
  readonly #objects: UserObjects;
  #built = false;

  /** @param monitors makes the door to the monitors, whose host this is */
  constructor(
    system: System,
    config: StartConfig,
    objects: UserObjects,
    monitors: (exitPreconfig: () => Promise<void>) => Monitors,
  ) {
    this.#system = system;
    this.#config = config;
    this.#objects = objects;
    this.#monitors = monitors(() => this.exitPreconfig());
  }

  /** Reports an error at its option and passes on that it has been said. */
  async #at<T>(location: Location, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Reported) throw error;
      const cause = asError(error);
      this.#system.report.error(cause, location);
      throw new Reported(cause);
    }
  }

  /**
   * Makes machine, back ends, accelerator and monitors; then, unless --preconfig, all the rest.
   *
   * @throws Reported once the error is on stderr
   */
  async start(): Promise<void> {
    const { preconfig } = this.#config;
    this.#built = !preconfig;
    await this.#making(async () => {
      await this.#prepare();
      if (!preconfig) await this.#build();
    });
    if (!preconfig) await this.#launch();
  }

  /** Monitors wait while this works. When it fails the process ends, and they get no answer. */
  async #making(work: () => Promise<void>): Promise<void> {
    let done = (): void => {};
    this.#system.making = new Promise((resolve) => {
      done = resolve;
    });
    await work();
    this.#system.making = undefined;
    done();
  }

  async #prepare(): Promise<void> {
    const system = this.#system;
    const config = this.#config;
    const { type, accel: _accel, ...properties } = config.machine;
    const machine = await this.#at(undefined, () => createMachine(system, typeof type === 'string' ? type : undefined));
    const objects = await this.#checkObjects();
    const create = async (late: boolean): Promise<void> => {
      for (const { checked, late: isLate } of objects) {
        // QEMU names the option for what is wrong with its text only.
        if (late === isLate) await this.#at(undefined, () => this.#objects.create(checked));
      }
    };
    await create(false);
    await this.#takeDescriptors();
    for (const option of config.chardevs) await this.#at(option.location, () => openChardevOption(system, option));
    await Promise.all(this.#checkImages());
    await this.#at(undefined, () => configureMachine(machine, properties));
    this.#addDefaultPorts();
    await startAccelerator(system, machine, config.accels);
    await create(true);
    await this.#startMonitors();
    await this.#startPorts();
    if (config.cpu !== undefined) {
      const text = config.cpu;
      system.settings.cpu = await this.#at(undefined, () => parseCpuModel(system.settings.arch, text));
    }
    if (config.preconfig) await openMuxes(system);
    const { runAs } = config;
    if (runAs !== undefined) {
      const { runAs: change } = await import('./system/run-as.js');
      await this.#at(undefined, () => change(runAs));
    }
  }

  /** The objects of -object, all checked before the first is made. */
  async #checkObjects(): Promise<{ late: boolean; checked: CheckedOptions }[]> {
    const result = [];
    for (const { location, options, mode } of this.#config.objects) {
      const checked = await this.#at(location, () => this.#objects.check(options, mode));
      result.push({ late: userCreatableData(checked.type).createdLate === true, checked });
    }
    return result;
  }

  /** Ports that nobody asked for come after those that somebody did. */
  #addDefaultPorts(): void {
    const config = this.#config;
    const { serial = true, parallel = true } = this.#system.machine.data.ports ?? {};
    const ports = defaultPortTexts(config.defaultPorts, config.nographic, { serial, parallel });
    config.serials.push(...ports.serials);
    config.parallels.push(...ports.parallels);
    if (ports.monitor !== undefined) {
      const asked = readCharText(ports.monitor);
      config.monitors.push({ location: undefined, mode: 'readline', pretty: false, readOnly: false, asked });
    }
  }

  /** -add-fd: descriptors that this process was started with. */
  async #takeDescriptors(): Promise<void> {
    for (const { fd, set, opaque, location } of this.#config.fds) {
      await this.#at(location, async () => {
        const [{ duplicate }, { fdSetsOf }] = await Promise.all([
          import('./host/fd.js'),
          import('./system/fd-sets.js'),
        ]);
        let own: number;
        try {
          own = duplicate(fd);
        } catch (error) {
          throw new QemuError('fd is not valid or already in use', { cause: error });
        }
        fdSetsOf(this.#system).add(own, set, opaque);
      });
    }
  }

  /** Disk images are opened to say what is wrong with them; no machine here has a disk. */
  #checkImages(): Promise<void>[] {
    return this.#config.images.map(({ path, location }) =>
      this.#at(location, () => {
        try {
          closeSync(openSync(path, 'r'));
        } catch (error) {
          throw new QemuError(`Could not open '${path}': ${systemReason(error)}`, { cause: error });
        }
      }),
    );
  }

  async #startMonitors(): Promise<void> {
    for (const [index, option] of this.#config.monitors.entries()) {
      await this.#at(option.location, async () => {
        const { asked, chardev: id = '' } = option;
        const chardev =
          asked === undefined
            ? findChardev(this.#system, id)
            : await openCharText(this.#system, `compat_monitor${index}`, asked);
        if (chardev === undefined) throw new QemuError(`chardev "${id}" not found`);
        if (option.mode === 'control') this.#monitors.addControl(chardev, option);
        else await this.#monitors.addReadline(chardev, option);
      });
    }
  }

  async #startPorts(): Promise<void> {
    const { serials, parallels } = this.#config;
    const open = (kind: 'serial' | 'parallel', options: readonly CharOption[]) =>
      options.map((option, index) =>
        this.#at(option.location, () =>
          openPort(this.#system, kind, index, option, (chardev) => this.#monitors.addReadline(chardev)),
        ),
      );
    this.#system.serials.push(...(await Promise.all(open('serial', serials))));
    await Promise.all(open('parallel', parallels));
  }

  async #startGdb(): Promise<void> {
    const { gdb } = this.#config;
    if (gdb === undefined) return;
    const { startGdb } = await import('./cli/start-gdb.js');
    await this.#at(gdb.location, async () => startGdb(this.#system, gdb, await this.#monitors.humanMonitor()));
  }

  /** Builds the machine and, without -S, launches it; a failure ends the process. A second call is an error. */
  async exitPreconfig(): Promise<void> {
    if (this.#built) throw new QemuError('The command is permitted only before machine initialization');
    this.#built = true;
    try {
      await this.#making(() => this.#build());
      await this.#launch();
    } catch (error) {
      this.#system.run.end(1);
      throw error;
    }
  }

  async #launch(): Promise<void> {
    if (!this.#config.paused) await this.#at(undefined, () => this.#system.run.resume());
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
    await this.#at(undefined, () => machine.complete());
    for (const id of this.#config.netdevs) system.report.warn(`netdev ${id} has no peer`);
    if (system.globals.hasUnused) {
      await system.needTypes();
      for (const text of system.globals.unused(system.types)) system.report.warn(text);
    }
    // Now that the machine's ports are attached: a monitor beside one greets when the user turns to it.
    await openMuxes(system);
    system.run.attach(machine.runTarget());
    await this.#startGdb();
    system.phase = 'ready';
    if (this.#config.loadvm) {
      await this.#at(undefined, () => {
        throw new QemuError('no block device can store vmstate for snapshot');
      });
    }
  }
}
