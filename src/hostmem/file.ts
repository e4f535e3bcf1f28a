import { fstat, ftruncate } from 'node:fs';
import { promisify } from 'node:util';
import { mmap } from '../host/memory.js';
import { type Property, prop } from '../qom/property.js';
import { OnOffAuto } from '../qom/qapi.js';
import { QemuError } from '../system/errors.js';
import { int64 } from '../system/json.js';
import { osErrorText } from '../system/os-error.js';
import { type Backing, HostMemoryBackend } from './backend.js';
import { discardBackingFile, openBackingFile } from './backing-file.js';
import { hugePagesHint, smallPagesHint } from './hints.js';
import { cannotMap, checkAddressSpace, step } from './map-errors.js';
import { filePageSize } from './page-size.js';
import { bytes, sizeProperty } from './properties.js';

const hex = (value: number) => `0x${value.toString(16)}`;

/** `memory-backend-file`: a file, or one without a name in a directory (of hugetlbfs, for example). */
export class FileBackend extends HostMemoryBackend {
  memPath = '';
  /** Bytes, as are the next two. */
  align = 0;
  offset = 0;
  readonly = false;
  romOption: 'auto' | 'on' | 'off' = 'auto';
  discardData = false;

  protected override async open(): Promise<Backing> {
    const rom = this.#resolveRom();
    checkAddressSpace(this.offset + this.size);
    const file = await openBackingFile(this.memPath, this.readonly, this.label);
    try {
      const backing = await this.#map(file.fd, rom);
      this.system.onExit(() => this.#discard());
      return backing;
    } catch (error) {
      await discardBackingFile(file);
      throw error;
    }
  }

  override get fileOffset(): number {
    return this.offset;
  }

  protected override finalize(): void {
    this.#discard();
    super.finalize();
  }

  #resolveRom(): boolean {
    if (this.romOption === 'auto') this.romOption = this.readonly ? 'on' : 'off';
    if (this.romOption === 'on' && !this.readonly) {
      throw new QemuError("property 'rom' = 'on' is not supported with 'readonly' = 'off'");
    }
    if (this.romOption === 'off' && this.readonly && this.share) {
      throw new QemuError("property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'");
    }
    return this.romOption === 'on';
  }

  async #map(fd: number, rom: boolean): Promise<Backing> {
    const { size, offset, align, share, reserve } = this;
    const { size: fileSize } = await promisify(fstat)(fd);
    if (fileSize > offset && fileSize < offset + size) {
      const option = `'size' option ${hex(size)} plus 'offset' option ${hex(offset)}`;
      throw new QemuError(`backing store size ${hex(fileSize)} is too small for ${option}`);
    }
    const { pageSize, hugetlbfs } = await filePageSize(fd);
    this.#checkGrid(pageSize);
    // A file that cannot be this long would be a fatal signal at first touch.
    if (fileSize === 0) {
      await promisify(ftruncate)(fd, offset + size).catch((cause) => {
        throw new QemuError(`${cannotMap}: ${osErrorText(cause)}`, { cause });
      });
    }
    const mapping = step(
      cannotMap,
      () =>
        mmap({
          size,
          fd,
          offset,
          shared: share,
          writable: !rom,
          noReserve: !reserve,
          ...(align > pageSize ? { align } : {}),
        }),
      () => (hugetlbfs ? hugePagesHint(size, pageSize) : smallPagesHint(size)),
    );
    return { mapping, fd, pageSize, rom, contents: fileSize > 0 };
  }

  #checkGrid(pageSize: number): void {
    const { align, offset, size } = this;
    const multiple = `must be multiples of page size ${hex(pageSize)}`;
    if (align % pageSize !== 0) throw new QemuError(`alignment ${hex(align)} ${multiple}`);
    if (align !== 0 && !Number.isInteger(Math.log2(align))) {
      throw new QemuError(`alignment ${hex(align)} must be a power of two`);
    }
    if (offset % pageSize !== 0) throw new QemuError(`offset ${hex(offset)} ${multiple}`);
    if (size < pageSize) {
      throw new QemuError(`memory size ${hex(size)} must be equal to or larger than page size ${hex(pageSize)}`);
    }
    this.checkPageSize(pageSize);
  }

  #discard(): void {
    if (this.discardData && this.allocated) this.discardContents();
  }
}

type Fixed = 'memPath' | 'align' | 'offset' | 'readonly' | 'romOption';

/** A setter that counts until the memory is allocated. */
function fixed<F extends Fixed>(field: F, name: string, end = '') {
  return (backend: FileBackend, value: FileBackend[F]): void => {
    backend.refuseAllocated(`cannot change property '${name}' of ${backend.type.name}${end}`);
    backend[field] = value;
  };
}

function sizeOption(field: 'align' | 'offset', description: string): Property {
  const set = fixed(field, field);
  return sizeProperty<FileBackend>({
    get: (backend) => int64(BigInt(backend[field])),
    set: (backend, value) => set(backend, bytes(value)),
    description,
  });
}

export const fileProperties: Readonly<Record<string, Property>> = {
  readonly: prop.bool<FileBackend>({
    get: (backend) => backend.readonly,
    set: fixed('readonly', 'readonly', '.'),
    description: 'Open the file for reading only',
  }),
  align: sizeOption('align', 'Alignment of the address in this process'),
  offset: sizeOption('offset', 'Where in the file the memory starts (as 1G)'),
  'mem-path': prop.string<FileBackend>({
    get: (backend) => backend.memPath,
    set: fixed('memPath', 'mem-path'),
    description: 'A file, or a directory for one without a name',
  }),
  rom: prop.enumeration(OnOffAuto)<FileBackend>({
    get: (backend) => backend.romOption,
    set: fixed('romOption', 'rom', '.'),
    description: 'Guests cannot write to it; auto: as readonly says',
  }),
  'discard-data': prop.bool<FileBackend>({
    get: (backend) => backend.discardData,
    set: (backend, value) => {
      backend.discardData = value;
    },
    description: 'The contents need not outlive the object',
  }),
};
