import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { strerror } from '../host/libc.js';
import { QemuError } from '../system/errors.js';
import { type GuestRam, ramPieces } from '../system/guest-ram.js';

/** Bytes read at once, and so the longest CRC computed in one turn of the event loop: 1 ms at 4 GiB/s. */
const CHUNK = 4 * 1024 * 1024;

/** Bytes of a piece that is read to be looked at only. */
const PIECE = 1024 * 1024;

/** What goes into a section: bytes in memory or a file. */
export interface Payload {
  readonly size: number;
  /** Copies all of it to `offset` of the RAM and hands each piece, in order, to `onPiece`. */
  copyTo(ram: GuestRam, offset: number, onPiece: (piece: Uint8Array) => void): Promise<void>;
  /** All of it in order, in pieces. */
  pieces(): AsyncIterable<Uint8Array>;
}

export function bytesPayload(bytes: Uint8Array): Payload {
  return {
    size: bytes.length,
    copyTo: async (ram, offset, onPiece) => {
      let position = 0;
      for (const piece of ramPieces(ram, offset, bytes.length, CHUNK)) {
        piece.set(bytes.subarray(position, position + piece.length));
        onPiece(piece);
        position += piece.length;
        await setImmediate();
      }
    },
    async *pieces() {
      for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
    },
  };
}

/** The text of the errno that a failed file operation carries, else its message. */
function errnoText(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return errno === undefined ? message : strerror(-errno);
}

/**
 * A regular file that is read once. Its size is fixed when it is opened: a file that shrinks, grows or is written to
 * while it is read is an error, never a mixture.
 */
export class ImageFile implements Payload {
  readonly path: string;
  readonly size: number;
  readonly #file: FileHandle;
  readonly #modified: bigint;
  readonly #sentence: string;

  private constructor(path: string, file: FileHandle, size: number, modified: bigint, sentence: string) {
    this.path = path;
    this.size = size;
    this.#file = file;
    this.#modified = modified;
    this.#sentence = sentence;
  }

  /**
   * @param sentence of every error that this file will throw; the hint has the cause
   * @throws QemuError for a file that cannot be opened, or is a directory, FIFO, socket or device
   */
  static async open(path: string, sentence: string): Promise<ImageFile> {
    let file: FileHandle | undefined;
    try {
      // Before the open, because opening a device may already do something.
      refuseSpecial(await stat(path));
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      const now = await file.stat({ bigint: true });
      refuseSpecial(now);
      return new ImageFile(path, file, Number(now.size), now.mtimeNs, sentence);
    } catch (error) {
      await file?.close();
      throw new QemuError(sentence, { hint: errnoText(error), cause: error });
    }
  }

  /** Up to `length` bytes from `position`; fewer at the end of the file. */
  async bytes(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - position)));
    await this.#fill(bytes, position);
    return bytes;
  }

  async copyTo(ram: GuestRam, offset: number, onPiece: (piece: Uint8Array) => void): Promise<void> {
    let position = 0;
    let previous: Uint8Array | undefined;
    for (const piece of ramPieces(ram, offset, this.size, CHUNK)) {
      // The thread pool reads this piece while `onPiece` works on the one before.
      const reading = this.#fill(piece, position);
      if (previous !== undefined) onPiece(previous);
      await reading;
      position += piece.length;
      previous = piece;
    }
    if (previous !== undefined) onPiece(previous);
    await this.checkUnchanged();
  }

  /** Fills the views one after the other from `position`. @throws QemuError when the file ends before */
  async readInto(position: number, views: Iterable<Uint8Array>): Promise<void> {
    let at = position;
    for (const view of views) {
      await this.#fill(view, at);
      at += view.length;
    }
  }

  /** @throws QemuError when the file is not what it was at its opening */
  async checkUnchanged(): Promise<void> {
    const now = await this.#file.stat({ bigint: true });
    if (Number(now.size) !== this.size || now.mtimeNs !== this.#modified) {
      throw this.#error('changed while it was read');
    }
  }

  async *pieces(position = 0, length = this.size): AsyncGenerator<Uint8Array, void> {
    for (let at = 0; at < length; at += PIECE) yield await this.bytes(position + at, Math.min(PIECE, length - at));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #fill(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#file
        .read(bytes, done, bytes.length - done, position + done)
        .catch((error: unknown) => {
          throw this.#error(errnoText(error));
        });
      if (bytesRead === 0) {
        throw this.#error(`the file shrank while it was read: ${position + done} bytes of ${this.size}`);
      }
      done += bytesRead;
    }
  }

  #error(hint: string): QemuError {
    return new QemuError(this.#sentence, { hint });
  }
}

/** A stretch of a file that lies within it. */
export class FilePart {
  readonly size: number;
  readonly #file: ImageFile;
  readonly #offset: number;

  constructor(file: ImageFile, offset: number, size: number) {
    this.#file = file;
    this.#offset = offset;
    this.size = size;
  }

  /** Up to `length` bytes from `position`; fewer at the end of the part. */
  bytes(position: number, length: number): Promise<Uint8Array> {
    const inside = Math.max(0, Math.min(length, this.size - position));
    return this.#file.bytes(this.#offset + position, inside);
  }

  /** Fills the views one after the other from `position`. @throws RangeError when they reach beyond the part */
  async readInto(position: number, views: readonly Uint8Array[]): Promise<void> {
    const wanted = views.reduce((sum, { length }) => sum + length, 0);
    if (position + wanted > this.size) throw new RangeError(`${wanted} bytes from ${position} of ${this.size}`);
    await this.#file.readInto(this.#offset + position, views);
  }
}

interface FileKind {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

function refuseSpecial(kind: FileKind): void {
  if (kind.isFile()) return;
  const what = kind.isDirectory() ? 'directory' : kind.isFIFO() ? 'FIFO' : kind.isSocket() ? 'socket' : 'device';
  throw new Error(`it is a ${what}, not a regular file`);
}
