import { FdStream } from '../host/stream.js';
import { Chardev } from './chardev.js';
import { FileSink } from './file-sink.js';
import { FileSource } from './file-source.js';
import { isPollable } from './open-file.js';
import { StreamLink } from './stream-link.js';

/** Open descriptors of a chardev; the same number twice is one descriptor used both ways. */
export interface Descriptors {
  readonly input: number | undefined;
  readonly output: number | undefined;
}

interface Output {
  write(data: Uint8Array): boolean;
  readonly queued: number;
  close(): Promise<void>;
}

/**
 * Bytes through descriptors of any kind: what epoll can watch is read and written without blocking, regular files on
 * libuv's threads. QOM type `chardev-fd`.
 */
export abstract class FdChardev extends Chardev {
  #input: StreamLink | FileSource | undefined;
  #output: Output | undefined;

  /** The chardev owns them from now on. @throws QemuError */
  protected abstract openDescriptors(): Descriptors;

  protected override acquire(): void {
    const { input, output } = this.openDescriptors();
    if (output !== undefined) this.#output = this.#openOutput(output, input === output);
    if (input !== undefined && input !== output) this.#input = this.#openInput(input);
    this.setConnected(true);
  }

  #openOutput(fd: number, both: boolean): Output {
    if (isPollable(fd)) {
      const link = new StreamLink(
        new FdStream(fd),
        this.#linkEvents(() => this.setConnected(false)),
        !both,
      );
      if (both) this.#input = link;
      return link;
    }
    const sink = new FileSink(fd);
    sink.onDrained(() => this.drained());
    return sink;
  }

  #openInput(fd: number): StreamLink | FileSource {
    const events = this.#linkEvents(() => this.inputEnded());
    return isPollable(fd) ? new StreamLink(this.inputStream(fd), events) : new FileSource(fd, events);
  }

  /** The stream that reads a descriptor which epoll can watch. */
  protected inputStream(fd: number): FdStream {
    return new FdStream(fd);
  }

  #linkEvents(ended: () => void) {
    return {
      received: (data: Uint8Array) => this.received(data),
      drained: () => this.drained(),
      ended,
    };
  }

  protected override send(data: Uint8Array): boolean {
    return this.#output?.write(data) ?? true;
  }

  override get queued(): number {
    return this.#output?.queued ?? 0;
  }

  protected override flow(on: boolean): void {
    this.#input?.setReading(on);
  }

  protected override async release(): Promise<void> {
    await Promise.all([this.#input?.close(), this.#output?.close()]);
  }
}
