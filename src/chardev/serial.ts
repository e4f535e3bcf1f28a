import { constants } from 'node:fs';
import { setRawMode } from '../host/pty.js';
import type { BackendData } from './backend.js';
import type { BackendContext } from './create.js';
import { type Descriptors, FdChardev } from './fd.js';
import { openFile } from './open-file.js';

/** A terminal device of the host (`/dev/ttyS0`, `/dev/pts/3`) in raw mode; its speed stays as it is. */
export class SerialChardev extends FdChardev {
  readonly #path: string;

  constructor({ device }: BackendData['serial'], context: BackendContext) {
    super(context.type);
    this.#path = device;
  }

  protected override openDescriptors(): Descriptors {
    const fd = openFile(this.#path, constants.O_RDWR);
    try {
      setRawMode(fd);
    } catch {
      // Not a terminal: QEMU uses it as it is, too.
    }
    return { input: fd, output: fd };
  }
}
