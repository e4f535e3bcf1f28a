import { QemuError } from '../system/errors.js';
import type { BackendData } from './backend.js';
import { Chardev, type CharFrontend } from './chardev.js';
import type { BackendContext } from './create.js';

const MAX_BACKENDS = 4;

/** One front end on several chardevs: output goes to all that are connected, input comes from any. */
export class HubChardev extends Chardev {
  readonly #ids: readonly string[];
  readonly #context: BackendContext;
  readonly #backends = new Map<Chardev, CharFrontend>();
  readonly #blocked = new Set<Chardev>();

  constructor({ chardevs }: BackendData['hub'], context: BackendContext) {
    super(context.type);
    this.#ids = chardevs;
    this.#context = context;
  }

  protected override acquire(): void {
    if (this.#ids.length === 0) throw new QemuError("hub: 'chardevs' list is not defined");
    try {
      for (const id of this.#ids) this.#add(id);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #add(id: string): void {
    const backend = this.#context.system.tree.chardevs.component(id);
    if (!(backend instanceof Chardev)) throw new QemuError(`hub: chardev can't be found by id '${id}'`);
    if (['chardev-hub', 'chardev-mux'].includes(backend.type.name)) {
      throw new QemuError(
        `hub: multiplexers and hub devices can't be stacked, check chardev '${id}', chardev should not be a hub ` +
          "device or have 'mux=on' enabled",
      );
    }
    if (this.#backends.size >= MAX_BACKENDS) {
      throw new QemuError(`hub: too many uses of chardevs '${this.label}' (maximum is ${MAX_BACKENDS})`);
    }
    const side: CharFrontend = {
      receive: (data) => this.received(data),
      opened: () => this.setConnected(true),
      closed: () => {
        this.#room(backend);
        this.setConnected([...this.#backends.keys()].some((other) => other.connected));
      },
      break: () => this.raiseBreak(),
      drained: () => this.#room(backend),
    };
    backend.attach(side);
    backend.pause();
    this.#backends.set(backend, side);
  }

  #room(backend: Chardev): void {
    this.#blocked.delete(backend);
    if (this.#blocked.size === 0) this.drained();
  }

  protected override send(data: Uint8Array): boolean {
    for (const backend of this.#backends.keys()) {
      if (backend.connected && !backend.write(data)) this.#blocked.add(backend);
    }
    return this.#blocked.size === 0;
  }

  override get queued(): number {
    return Math.max(0, ...[...this.#backends.keys()].map((backend) => backend.queued));
  }

  protected override flow(on: boolean): void {
    for (const backend of this.#backends.keys()) {
      if (on) backend.resume();
      else backend.pause();
    }
  }

  protected override release(): void {
    for (const [backend, side] of this.#backends) backend.detach(side);
    this.#backends.clear();
  }
}
