import { rmSync, symlinkSync } from 'node:fs';
import { openPty, PtyStream } from '../host/pty.js';
import { asError, QemuError } from '../system/errors.js';
import { osErrorText } from '../system/os-error.js';
import type { BackendData } from './backend.js';
import { Chardev } from './chardev.js';
import type { BackendContext } from './create.js';
import { StreamLink } from './stream-link.js';

/** A new pseudo-terminal, for a terminal program to open; `path` makes a symbolic link to it. */
export class PtyChardev extends Chardev {
  readonly #symlink: string | undefined;
  readonly #context: BackendContext;
  #link: StreamLink | undefined;
  #linked = false;
  /** `/dev/pts/N` */
  path = '';

  constructor({ path }: BackendData['pty'], context: BackendContext) {
    super(context.type);
    this.#symlink = path;
    this.#context = context;
  }

  override get filename(): string {
    return `pty:${this.path}`;
  }

  protected override acquire(): void {
    const stream = this.#open();
    this.path = stream.path;
    this.#link = new StreamLink(stream, {
      received: (data) => this.received(data),
      drained: () => this.drained(),
      ended: () => this.setConnected(false),
    });
    stream.on('connect', () => this.setConnected(true));
    stream.on('disconnect', () => this.setConnected(false));
    this.#context.print(`char device redirected to ${this.path} (label ${this.label})\n`);
  }

  #open(): PtyStream {
    let stream: PtyStream;
    try {
      stream = new PtyStream(openPty());
    } catch (error) {
      throw new QemuError(`Failed to create PTY: ${osErrorText(error)}`, { cause: asError(error) });
    }
    if (this.#symlink === undefined) return stream;
    try {
      symlinkSync(stream.path, this.#symlink);
      this.#linked = true;
      return stream;
    } catch (error) {
      stream.destroy();
      throw new QemuError(`Failed to create PTY symlink: ${osErrorText(error)}`, { cause: asError(error) });
    }
  }

  protected override send(data: Uint8Array): boolean {
    return this.#link?.write(data) ?? true;
  }

  override get queued(): number {
    return this.#link?.queued ?? 0;
  }

  protected override flow(on: boolean): void {
    this.#link?.setReading(on);
  }

  protected override async release(): Promise<void> {
    if (this.#linked && this.#symlink !== undefined) rmSync(this.#symlink, { force: true });
    await this.#link?.close();
  }
}
