import { closeSync } from 'node:fs';
import type { AddOptions } from '../src/chardev/create.js';
import type { UserObjects } from '../src/qom/user-creatable.js';
import { QemuError } from '../src/system/errors.js';
import { fdSetsOf } from '../src/system/fd-sets.js';
import type { System } from '../src/system/system.js';

/** One option group of the command line, as query-command-line-options tells it. */
export interface CommandLineOption {
  readonly option: string;
  readonly parameters: {
    readonly name: string;
    readonly type: 'string' | 'boolean' | 'number' | 'size';
    readonly help?: string;
    readonly default?: string;
  }[];
}

/** What the monitors of one process share: the system, and what only its composition root can do. */
export interface MonitorHost {
  readonly system: System;
  /** The door to /objects. */
  readonly objects: UserObjects;
  /** x-exit-preconfig: builds the machine and, without -S, starts it. @throws QemuError when that fails */
  exitPreconfig(): Promise<void>;
  /** The option groups of the command line. */
  commandLineOptions(): readonly CommandLineOption[] | Promise<readonly CommandLineOption[]>;
}

export interface ClientOptions {
  /** Serves query-*, qom-get and qom-list only (`x-read-only=on`). */
  readonly readOnly?: boolean;
  /** The next descriptor that came with the client's bytes (SCM_RIGHTS), given away for good. */
  readonly takeDescriptor?: () => number | undefined;
}

/** What belongs to one client of a monitor. */
export class MonitorClient {
  readonly readOnly: boolean;
  /** The vCPU that HMP commands look at. */
  cpuIndex = 0;
  readonly #named = new Map<string, number>();
  readonly #takeDescriptor: () => number | undefined;

  constructor(options: ClientOptions = {}) {
    this.readOnly = options.readOnly ?? false;
    this.#takeDescriptor = options.takeDescriptor ?? (() => undefined);
  }

  /** The descriptor sent along with the current request. @throws QemuError when there is none */
  receivedDescriptor(): number {
    const fd = this.#takeDescriptor();
    if (fd === undefined) throw new QemuError('No file descriptor supplied via SCM_RIGHTS');
    return fd;
  }

  /** getfd: keeps a descriptor under a name; one that had the name is closed. */
  keepDescriptor(name: string, fd: number): void {
    const previous = this.#named.get(name);
    this.#named.set(name, fd);
    if (previous !== undefined) closeSync(previous);
  }

  /** Takes the descriptor that getfd named; it is the caller's then. */
  takeNamedDescriptor(name: string): number | undefined {
    const fd = this.#named.get(name);
    this.#named.delete(name);
    return fd;
  }

  /** Closes the descriptor that getfd named. @throws QemuError when there is none */
  closeNamedDescriptor(name: string): void {
    const fd = this.takeNamedDescriptor(name);
    if (fd === undefined) throw new QemuError(`File descriptor named '${name}' not found`);
    closeSync(fd);
  }

  /** The client is gone: descriptors that nothing took are closed. */
  close(): void {
    for (const fd of this.#named.values()) closeSync(fd);
    this.#named.clear();
  }
}

/** What a command handler gets. */
export interface MonitorContext {
  readonly host: MonitorHost;
  readonly system: System;
  readonly client: MonitorClient;
}

/** How a client's commands name descriptors: by the name getfd gave, or as `/dev/fdset/N`. */
export function namedDescriptors({ client, system }: MonitorContext): AddOptions {
  return {
    takeDescriptor: (name) => client.takeNamedDescriptor(name),
    openFdset: (set, flags) => fdSetsOf(system).open(set, flags),
  };
}
