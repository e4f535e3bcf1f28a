import { constants } from 'node:fs';
import type { BackendData } from './backend.js';
import type { BackendContext } from './create.js';
import { type Descriptors, FdChardev } from './fd.js';
import { closeQuietly, openFile } from './open-file.js';

/** The FIFOs PATH.in and PATH.out; without them PATH both ways. Opened both ways, they have no end and need no peer. */
export class PipeChardev extends FdChardev {
  readonly #path: string;

  constructor({ device }: BackendData['pipe'], context: BackendContext) {
    super(context.type);
    this.#path = device;
  }

  protected override openDescriptors(): Descriptors {
    const open = (path: string): number => openFile(path, constants.O_RDWR);
    let input: number | undefined;
    try {
      input = open(`${this.#path}.in`);
      return { input, output: open(`${this.#path}.out`) };
    } catch {
      if (input !== undefined) closeQuietly(input);
    }
    const both = open(this.#path);
    return { input: both, output: both };
  }
}
