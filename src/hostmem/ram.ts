import { mmap } from '../host/memory.js';
import { type Backing, HostMemoryBackend } from './backend.js';
import { smallPagesHint } from './hints.js';
import { step } from './map-errors.js';
import { mapMemfd } from './memfd.js';
import { smallPageSize } from './page-size.js';

/** `memory-backend-ram`: anonymous memory; with `share=on` a memfd, so that other processes can be given it. */
export class RamBackend extends HostMemoryBackend {
  protected override open(): Backing {
    const { size, reserve } = this;
    const pageSize = smallPageSize();
    this.checkPageSize(pageSize);
    if (this.share) return mapMemfd({ name: this.type.name, size, seal: true, shared: true, reserve });
    const mapping = step(
      `cannot set up guest memory '${this.label}'`,
      () => mmap({ size, shared: false, noReserve: !reserve }),
      () => smallPagesHint(size),
    );
    return { mapping, pageSize };
  }
}
