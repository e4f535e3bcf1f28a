import type { Chardev } from '../src/chardev/chardev.js';
import { MonitorClient, type MonitorHost } from './context.js';
import { EventPublisher, qmpEvent } from './events.js';
import { Broadcast } from './session/wire.js';
import { ControlFrontend, type ControlOptions } from './transports/control.js';

/** The monitors of one process: gives each client a session of its own and every session the events. */
export class MonitorSet {
  readonly #host: MonitorHost;
  readonly #clients = new Set<ControlFrontend>();

  constructor(host: MonitorHost) {
    this.#host = host;
    const publisher = new EventPublisher((message) => {
      const broadcast = new Broadcast(message);
      for (const client of this.#clients) client.sendEvent(broadcast);
    });
    host.system.events.on((event) => {
      if (this.#clients.size > 0) publisher.publish(qmpEvent(event));
    });
  }

  /** QMP on a character device: one session each time somebody connects. @throws QemuError when the chardev is in use */
  addControl(chardev: Chardev, options: ControlOptions = {}): void {
    chardev.attachEach((port) => new ControlFrontend(this.#host, this.#clients, port, options));
  }

  /** Runs lines of HMP for somebody who has no monitor of his own. */
  async humanMonitor(): Promise<(line: string) => Promise<string>> {
    const { HmpInterpreter } = await import('./hmp/interpreter.js');
    const interpreter = new HmpInterpreter(this.#host, new MonitorClient());
    return (line) => interpreter.run(line);
  }

  /** HMP with a prompt on a character device. @throws QemuError when the chardev is in use */
  async addReadline(chardev: Chardev, { readOnly = false }: { readOnly?: boolean } = {}): Promise<void> {
    const { ReadlineMonitor } = await import('./hmp/monitor.js');
    chardev.attachEach((port) => new ReadlineMonitor(this.#host, port, readOnly));
  }
}
