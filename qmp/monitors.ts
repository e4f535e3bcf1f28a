import type { Chardev, CharFrontend, CharPort } from '../src/chardev/chardev.js';
import { MonitorClient, type MonitorHost } from './context.js';
import { Dispatcher } from './dispatch.js';
import { EventPublisher, qmpEvent } from './events.js';
import { Broadcast } from './session/wire.js';
import { QmpSession } from './session.js';
import { versionInfo } from './version.js';

export interface ControlOptions {
  readonly pretty?: boolean;
  readonly readOnly?: boolean;
}

/** The monitors of one process: gives each client a session of its own and every session the events. */
export class MonitorSet {
  readonly #host: MonitorHost;
  readonly #sessions = new Set<QmpSession>();

  constructor(host: MonitorHost) {
    this.#host = host;
    const publisher = new EventPublisher((message) => {
      const broadcast = new Broadcast(message);
      for (const session of this.#sessions) session.sendEvent(broadcast);
    });
    host.system.events.on((event) => publisher.publish(qmpEvent(event)));
  }

  /** QMP on a character device: one session each time somebody connects. @throws QemuError when the chardev is in use */
  addControl(chardev: Chardev, options: ControlOptions = {}): void {
    chardev.attachEach((port) => new ControlFrontend(this.#host, this.#sessions, port, options));
  }

  /** HMP with a prompt on a character device. @throws QemuError when the chardev is in use */
  async addReadline(chardev: Chardev): Promise<void> {
    const { ReadlineMonitor } = await import('./hmp/monitor.js');
    chardev.attachEach((port) => new ReadlineMonitor(this.#host, port));
  }
}

class ControlFrontend implements CharFrontend {
  readonly #host: MonitorHost;
  readonly #sessions: Set<QmpSession>;
  readonly #port: CharPort;
  readonly #options: ControlOptions;
  #session: QmpSession | undefined;
  #client: MonitorClient | undefined;

  constructor(host: MonitorHost, sessions: Set<QmpSession>, port: CharPort, options: ControlOptions) {
    this.#host = host;
    this.#sessions = sessions;
    this.#port = port;
    this.#options = options;
  }

  opened(): void {
    this.closed();
    const port = this.#port;
    const client = new MonitorClient({
      readOnly: this.#options.readOnly ?? false,
      takeDescriptor: () => port.takeDescriptor(),
    });
    this.#client = client;
    this.#session = new QmpSession({
      dispatcher: new Dispatcher(this.#host, client),
      version: versionInfo(this.#host.system.settings.version),
      pretty: this.#options.pretty ?? false,
      transport: {
        send: (bytes) => port.write(bytes),
        pause: () => port.pause(),
        resume: () => port.resume(),
      },
    });
    this.#sessions.add(this.#session);
  }

  closed(): void {
    if (this.#session === undefined) return;
    this.#session.close();
    this.#sessions.delete(this.#session);
    this.#client?.close();
    this.#session = undefined;
  }

  receive(data: Uint8Array): void {
    this.#session?.receive(data);
  }

  drained(): void {
    this.#session?.drained();
  }
}
