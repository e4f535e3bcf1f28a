import { constants } from 'node:fs';
import type { BackendData } from './backend.js';
import type { BackendContext } from './create.js';
import { type Descriptors, FdChardev } from './fd.js';
import { closeQuietly, openFile } from './open-file.js';

/** Output into a file, and input from another where `in` is given; `/dev/fdset/N` names passed descriptors. */
export class FileChardev extends FdChardev {
  readonly #options: BackendData['file'];
  readonly #context: BackendContext;

  constructor(options: BackendData['file'], context: BackendContext) {
    super(context.type);
    this.#options = options;
    this.#context = context;
  }

  protected override openDescriptors(): Descriptors {
    const { out, in: from, append = false } = this.#options;
    const { openFdset } = this.#context;
    const mode = append ? constants.O_APPEND : constants.O_TRUNC;
    const output = openFile(out, constants.O_WRONLY | constants.O_CREAT | mode, openFdset);
    if (from === undefined) return { input: undefined, output };
    try {
      return { input: openFile(from, constants.O_RDONLY, openFdset), output };
    } catch (error) {
      closeQuietly(output);
      throw error;
    }
  }
}
